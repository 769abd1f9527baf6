// SPDX-License-Identifier: Apache-2.0
// libxcrypt.
#include "smtpd/sasl/password_hash.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "agent/base/ascii.h"
#include "smtpd/sasl/mechanism.h"

namespace sekisho::sasl {

namespace {

constexpr std::ptrdiff_t shortest_password = 8;  // characters

// crypt's working memory holds the password, too.
struct WipedMemory {
    void operator()(crypt_data* data) const {
        OPENSSL_cleanse(data, sizeof *data);
        delete data;
    }
};

Result<std::string> crypted(const SecretText& password, const std::string& setting) {
    const std::unique_ptr<crypt_data, WipedMemory> data(new crypt_data());
    const char* const hash = ::crypt_r(password.text(), setting.c_str(), data.get());
    // libxcrypt says by "*0" or "*1" what others say by null.
    if (hash == nullptr || hash[0] == '*') {
        const int code = errno;
        return fail(Failure::unavailable, std::string("crypt: ") + std::strerror(code),
                    code == ENOMEM ? "yescrypt needs 16 MiB a check: raise MemoryMax= of the unit" : "");
    }
    return std::string(hash);
}

}  // namespace

Result<std::string> hash_password(const SecretText& password) {
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    if (::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting.data(), static_cast<int>(setting.size())) ==
        nullptr) {
        return fail(Failure::unavailable, std::string("crypt_gensalt: ") + std::strerror(errno));
    }
    return crypted(password, setting.data());
}

Result<bool> matches(const SecretText& password, const std::string& hash) {
    const auto made = crypted(password, hash);
    if (!made) {
        return std::unexpected(made.error());
    }
    return made->size() == hash.size() && CRYPTO_memcmp(made->data(), hash.data(), hash.size()) == 0;
}

std::optional<std::string_view> scheme_of(const std::string& hash) {
    struct Scheme {
        std::string_view prefix;
        std::size_t digest;  // letters behind the last "$"
        std::string_view name;
    };
    constexpr std::array<Scheme, 2> schemes = {{{"$y$", 43, "yescrypt"}, {"$6$", 86, "SHA-512-crypt"}}};
    const auto* const scheme =
        std::ranges::find_if(schemes, [&hash](const Scheme& each) { return hash.starts_with(each.prefix); });
    const auto letter = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '/'; };
    if (scheme == schemes.end() || hash.size() >= CRYPT_OUTPUT_SIZE) {
        return std::nullopt;
    }
    const std::string_view digest = std::string_view(hash).substr(hash.rfind('$') + 1);
    const bool whole = digest.size() == scheme->digest && std::ranges::all_of(digest, letter) &&
                       ::crypt_checksalt(hash.c_str()) == CRYPT_SALT_OK;
    return whole ? std::optional(scheme->name) : std::nullopt;
}

std::optional<std::string> unfit_password(std::string_view password) {
    const std::ptrdiff_t characters = characters_in(password);
    if (characters < 0) {
        return "the password is no UTF-8";
    }
    if (has_controls(password)) {
        return "the password has control characters";
    }
    if (characters < shortest_password) {
        return "the password has fewer than 8 characters";
    }
    if (password.size() > longest_password) {
        return "the password is longer than 511 octets";
    }
    return std::nullopt;
}

}  // namespace sekisho::sasl
