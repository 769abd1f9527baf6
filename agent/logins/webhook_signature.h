// SPDX-License-Identifier: Apache-2.0
// How Stalwart signs what its webhook sends.
#pragma once

#include <string>
#include <string_view>

namespace sekisho::logins {

// What the header X-Signature says of a body: its HMAC-SHA256 (RFC 2104) in base64 (RFC 4648, section 4).
[[nodiscard]] std::string webhook_signature(std::string_view key, std::string_view body);

// Whether somebody who knows the key has signed the body, in a time that tells nothing about the signature.
[[nodiscard]] bool is_signed(std::string_view key, std::string_view body, std::string_view signature);

}  // namespace sekisho::logins
