// SPDX-License-Identifier: Apache-2.0
// Patterns of mailboxes.
#include "smtpd/policy/mailbox.h"

#include <algorithm>

#include "agent/base/ascii.h"

namespace sekisho::policy {

namespace {

std::string unquoted(std::string_view mailbox) {
    if (!mailbox.starts_with('"')) {
        return std::string(mailbox);
    }
    std::string plain;
    std::size_t at = 1;
    for (; at < mailbox.size() && mailbox[at] != '"'; at++) {
        at += mailbox[at] == '\\' && at + 1 < mailbox.size() ? 1 : 0;
        plain += mailbox[at];
    }
    // With an @ of its own it would look like another's.
    return plain.find('@') != std::string::npos
               ? std::string(mailbox)
               : plain.append(mailbox.substr(std::min(at + 1, mailbox.size())));
}

}  // namespace

std::string comparable(std::string_view mailbox) {
    return mailbox.empty() ? "<>" : lowered(unquoted(mailbox));
}

}  // namespace sekisho::policy
