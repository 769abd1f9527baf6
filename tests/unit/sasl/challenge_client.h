// SPDX-License-Identifier: Apache-2.0
// The clients' side of CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831), which knows nothing of GNU SASL.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>

namespace sekisho::sasl::tests {

inline std::string hex(const std::string& octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char each : octets) {
        const auto octet = static_cast<unsigned char>(each);
        text += {digits[octet >> 4U], digits[octet & 15U]};
    }
    return text;
}

inline std::string md5(const std::string& text) {
    std::string digest(16, '\0');
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_md5(),
               nullptr);
    return digest;
}

// RFC 2195, 2.
inline std::string cram(const std::string& challenge, const std::string& user, const std::string& password) {
    std::string digest(16, '\0');
    HMAC(EVP_md5(), password.data(), static_cast<int>(password.size()),
         reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(),
         reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return user + " " + hex(digest);
}

// RFC 2831, 2.1.2.
struct DigestClient {
    std::string user = "anna";
    std::string password = "correct horse";
    std::string uri = "smtp/mail.example.net";
    std::string authzid{};
    std::string count = "00000001";
    std::string charset = "charset=utf-8,";
    std::string more{};  // behind all else

    [[nodiscard]] static std::string nonce(const std::string& challenge) {
        const std::size_t begin = challenge.find("nonce=\"") + 7;
        return challenge.substr(begin, challenge.find('"', begin) - begin);
    }
    [[nodiscard]] std::string proof(const std::string& challenge, const std::string& method) const {
        const std::string secret = md5(user + "::" + password);
        const std::string a1 =
            secret + ":" + nonce(challenge) + ":cnonce" + (authzid.empty() ? "" : ":" + authzid);
        return hex(md5(hex(md5(a1)) + ":" + nonce(challenge) + ":" + count +
                       ":cnonce:auth:" + hex(md5(method + ":" + uri))));
    }
    [[nodiscard]] std::string answer(const std::string& challenge) const {
        return charset + R"(username=")" + user + R"(",nonce=")" + nonce(challenge) + R"(",nc=)" + count +
               R"(,cnonce="cnonce",digest-uri=")" + uri + R"(",response=)" +
               proof(challenge, "AUTHENTICATE") + ",qop=auth" +
               (authzid.empty() ? "" : R"(,authzid=")" + authzid + R"(")") + more;
    }
    [[nodiscard]] std::string server_final(const std::string& challenge) const {
        return "rspauth=" + proof(challenge, "");
    }
};

}  // namespace sekisho::sasl::tests
