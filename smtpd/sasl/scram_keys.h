// SPDX-License-Identifier: Apache-2.0
// What is kept of a password for SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677).
//
// With it a login can be judged, but not made. Guessing a password by it is far cheaper than by yescrypt,
// though: PBKDF2 needs no memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

enum class ScramHash : std::uint8_t { sha256, sha1 };
// The better one first.
constexpr std::array<ScramHash, 2> scram_hashes = {ScramHash::sha256, ScramHash::sha1};

// "SCRAM-SHA-256".
[[nodiscard]] std::string_view mechanism_of(ScramHash hash);

// Every client does as many rounds as this for each login: 10,000 are 5 ms, and a phone's 30. RFC 7677,
// section 4, wants 4096 or more.
constexpr std::uint32_t scram_iterations = 10'000;

// Octets, not base64.
struct ScramKeys {
    std::uint32_t iterations = scram_iterations;
    std::string salt;
    std::string stored_key;  // as long as the hash is
    std::string server_key;  //
    bool operator==(const ScramKeys&) const = default;
};

// Of a password, with a random salt; costs 2 to 5 ms. Failure::unavailable without randomness.
[[nodiscard]] Result<ScramKeys> make_scram_keys(ScramHash hash, const SecretText& password);

// Those of nobody, always the same ones for the same name and secret: no password makes them. They have the
// iterations of others, and a salt as long as theirs.
[[nodiscard]] ScramKeys stand_in_scram_keys(ScramHash hash, std::string_view secret, std::string_view name,
                                            const ScramKeys& others = {});

// As Dovecot writes them: "{SCRAM-SHA-256}10000,SALT,STOREDKEY,SERVERKEY", the three in base64.
[[nodiscard]] std::string print(ScramHash hash, const ScramKeys& keys);
// Nothing for a text that is none, or has fewer than 4096 iterations or more than a million.
[[nodiscard]] std::optional<std::pair<ScramHash, ScramKeys>> parse_scram_keys(std::string_view text);

}  // namespace sekisho::sasl
