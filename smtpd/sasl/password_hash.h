// SPDX-License-Identifier: Apache-2.0
// Salted hashes of passwords as crypt(5) writes them: yescrypt ($y$) and SHA-512-crypt ($6$).
//
// A hash costs about 22 ms (yescrypt) or 2 ms of a processor: not for a thread that others wait for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// A new hash, yescrypt with a random salt. Failure::unavailable without randomness or memory.
[[nodiscard]] Result<std::string> hash_password(const SecretText& password);

// Whether the password makes this hash. Takes as long for a wrong one. Failure::unavailable without memory.
[[nodiscard]] Result<bool> matches(const SecretText& password, const std::string& hash);

// "yescrypt" or "SHA-512-crypt"; nothing for a text that is no whole hash of these kinds.
[[nodiscard]] std::optional<std::string_view> scheme_of(const std::string& hash);

// Why a password isn't good enough for a user; nothing if it is: at least 8 characters, at most 511 octets of
// UTF-8, no control characters.
[[nodiscard]] std::optional<std::string> unfit_password(std::string_view password);

}  // namespace sekisho::sasl
