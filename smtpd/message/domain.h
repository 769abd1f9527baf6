// SPDX-License-Identifier: Apache-2.0
// Domains of mailboxes, in letters of any language.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sekisho::message {

// Whether there are only octets up to 0x7f.
[[nodiscard]] bool is_ascii(std::string_view text);

// A domain as DNS has it: A-labels (RFC 5890, 2.3.2.1) instead of what isn't ASCII, and small letters.
// Nothing where it can't be written so; what is ASCII isn't looked at.
[[nodiscard]] std::optional<std::string> ascii_domain(std::string_view domain);

// What stands behind the last @ of a mailbox, as DNS has it: "example.com", "[192.0.2.1]"; empty where there
// is none.
[[nodiscard]] std::string domain_of(std::string_view mailbox);

}  // namespace sekisho::message
