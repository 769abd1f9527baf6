// SPDX-License-Identifier: Apache-2.0
// Mailboxes as they are compared with an operator's patterns. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sekisho::policy {

// In small letters, the domain as the DNS has it (RFC 5890, 2.3.2.1), and a quoted local part without its
// quotes: "Rude"@example.net is rude@example.net (RFC 5321, 4.1.2), and quotes don't make another of it. The
// null path is "<>".
[[nodiscard]] std::string comparable(std::string_view mailbox);

// Whether one of the patterns (fnmatch(3), in small letters) fits the mailbox. The labels of their domains
// may be written in any letters, where they have no signs of patterns in them.
[[nodiscard]] bool fits_mailbox(const std::vector<std::string>& patterns, std::string_view mailbox);

}  // namespace sekisho::policy
