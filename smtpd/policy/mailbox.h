// SPDX-License-Identifier: Apache-2.0
// Mailboxes as they are compared with an operator's patterns. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sekisho::policy {

// In small letters, and a quoted local part without its quotes: "Rude"@example.net is rude@example.net (RFC
// 5321, 4.1.2), and quotes don't make another of it. The null path is "<>".
[[nodiscard]] std::string comparable(std::string_view mailbox);

}  // namespace sekisho::policy
