// SPDX-License-Identifier: Apache-2.0
// The client's side of SCRAM (RFC 5802, 3), by OpenSSL alone.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>

#include "smtpd/sasl/scram_keys.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl::tests {

class ScramClient {
public:
    ScramClient(ScramHash hash, std::string user, std::string password)
        : digest_(hash == ScramHash::sha256 ? EVP_sha256() : EVP_sha1()),
          user_(std::move(user)),
          password_(std::move(password)) {}

    // client-first-message
    [[nodiscard]] std::string first(const std::string& header = "n,,") {
        header_ = header;
        return header + first_bare();
    }
    // What binds the channel that the client is on.
    void bind(std::string data) { binding_ = std::move(data); }
    // client-final-message, for a server-first-message.
    [[nodiscard]] std::string proof(std::string_view server_first) {
        nonce_ = attribute(server_first, 'r');
        const std::string without = "c=" + to_base64(header_ + binding_) + ",r=" + nonce_;
        const std::string message = first_bare() + "," + std::string(server_first) + "," + without;
        const std::string salt(from_base64(attribute(server_first, 's')).value().view());
        std::string salted(size(), '\0');
        PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), octets(salt),
                          static_cast<int>(salt.size()), std::stoi(attribute(server_first, 'i')), digest_,
                          static_cast<int>(salted.size()), reinterpret_cast<unsigned char*>(salted.data()));
        std::string proof = hmac(salted, "Client Key");
        const std::string signature = hmac(hashed(proof), message);
        for (std::size_t i = 0; i < proof.size(); i++) {
            proof[i] = static_cast<char>(proof[i] ^ signature[i]);
        }
        server_final_ = "v=" + to_base64(hmac(hmac(salted, "Server Key"), message));
        return without + ",p=" + to_base64(proof);
    }
    // What a server that knows the keys answers to proof().
    [[nodiscard]] const std::string& server_final() const { return server_final_; }

    // "r" of "r=x,s=y".
    [[nodiscard]] static std::string attribute(std::string_view message, char name) {
        const std::string text = "," + std::string(message) + ",";
        const std::size_t begin = text.find(std::string{',', name, '='}) + 3;
        return text.substr(begin, text.find(',', begin) - begin);
    }

private:
    [[nodiscard]] std::string first_bare() const { return "n=" + user_ + ",r=fyko+d2lbbFgONRv9qkxdawL"; }
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(EVP_MD_get_size(digest_)); }
    static const unsigned char* octets(const std::string& text) {
        return reinterpret_cast<const unsigned char*>(text.data());
    }
    [[nodiscard]] std::string hmac(const std::string& key, const std::string& text) const {
        std::string result(size(), '\0');
        HMAC(digest_, key.data(), static_cast<int>(key.size()), octets(text), text.size(),
             reinterpret_cast<unsigned char*>(result.data()), nullptr);
        return result;
    }
    [[nodiscard]] std::string hashed(const std::string& text) const {
        std::string result(size(), '\0');
        EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(result.data()), nullptr,
                   digest_, nullptr);
        return result;
    }

    const EVP_MD* digest_;
    std::string user_;
    std::string password_;
    std::string binding_;
    std::string header_;
    std::string nonce_;
    std::string server_final_;
};

}  // namespace sekisho::sasl::tests
