// SPDX-License-Identifier: Apache-2.0
// Keys by OpenSSL, text by SASLprep.
#include "smtpd/sasl/scram_keys.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace sekisho::sasl {

namespace {

constexpr std::size_t salt_octets = 16;
constexpr std::size_t longest_salt = 64;
constexpr std::uint32_t fewest_iterations = 4096;
constexpr std::uint32_t most_iterations = 1'000'000;

const EVP_MD* digest_of(ScramHash hash) {
    return hash == ScramHash::sha256 ? EVP_sha256() : EVP_sha1();
}

std::size_t octets_of(ScramHash hash) {
    return static_cast<std::size_t>(EVP_MD_get_size(digest_of(hash)));
}

unsigned char* octets(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// Empty if OpenSSL can't.
std::string hmac(const EVP_MD* digest, std::string_view key, std::string_view text) {
    std::string result(EVP_MAX_MD_SIZE, '\0');
    unsigned int size = 0;
    const bool done = ::HMAC(digest, key.data(), static_cast<int>(key.size()), octets(text), text.size(),
                             octets(result), &size) != nullptr;
    result.resize(done ? size : 0);
    return result;
}

// RFC 5802, 2.2: "Normalize(str): Apply the SASLprep profile". What it has no rule for (characters younger
// than Unicode 3.2) stays as it is, as clients leave it.
SecretText normalized(const SecretText& password) {
    char* text = nullptr;
    if (::gsasl_saslprep(password.text(), GSASL_ALLOW_UNASSIGNED, &text, nullptr) != GSASL_OK) {
        return SecretText(password.view());
    }
    SecretText result{std::string_view(text)};
    OPENSSL_cleanse(text, std::strlen(text));
    ::gsasl_free(text);
    return result.empty() ? SecretText(password.view()) : std::move(result);
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> words;
    for (;;) {
        const std::size_t comma = text.find(',');
        words.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos) {
            return words;
        }
        text.remove_prefix(comma + 1);
    }
}

// Empty if it is no base64.
std::string decoded(std::string_view base64) {
    const auto plain = from_base64(base64);
    return plain ? std::string(plain->view()) : std::string();
}

}  // namespace

std::string_view mechanism_of(ScramHash hash) {
    return hash == ScramHash::sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-1";
}

// RFC 5802, 3:
//   SaltedPassword  := Hi(Normalize(password), salt, i)
//   ClientKey       := HMAC(SaltedPassword, "Client Key")
//   StoredKey       := H(ClientKey)
//   ServerKey       := HMAC(SaltedPassword, "Server Key")
Result<ScramKeys> make_scram_keys(ScramHash hash, const SecretText& password) {
    const EVP_MD* const digest = digest_of(hash);
    const SecretText text = normalized(password);
    ScramKeys keys;
    keys.salt.resize(salt_octets);
    if (::RAND_bytes(octets(keys.salt), static_cast<int>(salt_octets)) != 1) {
        return fail(Failure::unavailable, "OpenSSL has no randomness");
    }
    std::string salted(octets_of(hash), '\0');
    bool made = ::PKCS5_PBKDF2_HMAC(text.text(), static_cast<int>(text.view().size()), octets(keys.salt),
                                    static_cast<int>(salt_octets), static_cast<int>(keys.iterations), digest,
                                    static_cast<int>(salted.size()), octets(salted)) == 1;
    std::string client_key = hmac(digest, salted, "Client Key");
    keys.server_key = hmac(digest, salted, "Server Key");
    keys.stored_key.resize(octets_of(hash));
    made = made && ::EVP_Digest(client_key.data(), client_key.size(), octets(keys.stored_key), nullptr,
                                digest, nullptr) == 1;
    wipe(salted);
    wipe(client_key);
    if (!made || keys.server_key.empty()) {
        return fail(Failure::unavailable, "OpenSSL can't make keys of SCRAM");
    }
    return keys;
}

ScramKeys stand_in_scram_keys(ScramHash hash, std::string_view secret, std::string_view name,
                              const ScramKeys& others) {
    const auto derived = [&](std::string_view what, std::size_t size) {
        std::string text(mechanism_of(hash));
        text.append(" ").append(what).append(" ").append(name);
        std::string result = hmac(EVP_sha512(), secret, text);
        result.resize(size);
        return result;
    };
    static_assert(longest_salt <= 64, "SHA-512 gives no more");
    return {.iterations = others.iterations,
            .salt = derived("salt", others.salt.empty() ? salt_octets : others.salt.size()),
            .stored_key = derived("stored", octets_of(hash)),
            .server_key = derived("server", octets_of(hash))};
}

std::string print(ScramHash hash, const ScramKeys& keys) {
    std::string text = "{" + std::string(mechanism_of(hash)) + "}" + std::to_string(keys.iterations);
    for (const std::string* const each : {&keys.salt, &keys.stored_key, &keys.server_key}) {
        text += "," + to_base64(*each);
    }
    return text;
}

std::optional<std::pair<ScramHash, ScramKeys>> parse_scram_keys(std::string_view text) {
    const auto* const hash = std::ranges::find_if(scram_hashes, [text](ScramHash each) {
        return text.starts_with("{" + std::string(mechanism_of(each)) + "}");
    });
    if (hash == scram_hashes.end()) {
        return std::nullopt;
    }
    const auto words = split(text.substr(mechanism_of(*hash).size() + 2));
    std::uint32_t iterations = 0;
    const std::string_view number = words.front();
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), iterations);
    if (words.size() != 4 || error != std::errc() || end != number.data() + number.size() ||
        iterations < fewest_iterations || iterations > most_iterations) {
        return std::nullopt;
    }
    ScramKeys keys{.iterations = iterations,
                   .salt = decoded(words[1]),
                   .stored_key = decoded(words[2]),
                   .server_key = decoded(words[3])};
    if (keys.salt.empty() || keys.salt.size() > longest_salt || keys.stored_key.size() != octets_of(*hash) ||
        keys.server_key.size() != octets_of(*hash)) {
        return std::nullopt;
    }
    return std::pair(*hash, std::move(keys));
}

}  // namespace sekisho::sasl
