// SPDX-License-Identifier: Apache-2.0
// By OpenSSL.
#include "agent/logins/webhook_signature.h"

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <stdexcept>

#include "agent/base/secret.h"

namespace sekisho::logins {

std::string webhook_signature(std::string_view key, std::string_view body) {
    constexpr std::size_t digest_size = 32;
    constexpr std::size_t text_size = (digest_size + 2) / 3 * 4;
    std::array<unsigned char, digest_size> digest{};
    std::size_t size = 0;
    if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(),
                  reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data(),
                  digest.size(), &size) == nullptr) {
        throw std::runtime_error("OpenSSL has no HMAC-SHA256");
    }
    std::array<unsigned char, text_size + 1> text{};  // and a NUL
    EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
    return {text.begin(), text.begin() + text_size};
}

bool is_signed(std::string_view key, std::string_view body, std::string_view signature) {
    return same_secret(webhook_signature(key, body), signature);
}

}  // namespace sekisho::logins
