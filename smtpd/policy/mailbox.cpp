// SPDX-License-Identifier: Apache-2.0
// Patterns of mailboxes.
#include "smtpd/policy/mailbox.h"

#include <algorithm>

#include "agent/base/ascii.h"
#include "agent/base/pattern.h"
#include "smtpd/message/domain.h"

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

// "*@*.bücher.test" as "*@*.xn--bcher-kva.test".
std::string with_ascii_labels(std::string_view pattern) {
    std::size_t begin = pattern.rfind('@');
    if (begin == std::string_view::npos || message::is_ascii(pattern.substr(begin))) {
        return std::string(pattern);
    }
    std::string ascii(pattern.substr(0, ++begin));
    while (begin <= pattern.size()) {
        const std::size_t end = std::min(pattern.find('.', begin), pattern.size());
        const std::string_view label = pattern.substr(begin, end - begin);
        ascii += message::ascii_domain(label).value_or(std::string(label));
        ascii += end < pattern.size() ? "." : "";
        begin = end + 1;
    }
    return ascii;
}

}  // namespace

std::string comparable(std::string_view mailbox) {
    if (mailbox.empty()) {
        return "<>";
    }
    std::string plain = lowered(unquoted(mailbox));
    if (const std::size_t at = plain.rfind('@'); at != std::string::npos) {
        plain.replace(at + 1, std::string::npos, message::domain_of(plain));
    }
    return plain;
}

bool fits_mailbox(const std::vector<std::string>& patterns, std::string_view mailbox) {
    const std::string compared = comparable(mailbox);
    return fits_any(patterns, compared) ||
           std::ranges::any_of(patterns, [&compared](const std::string& pattern) {
               return !message::is_ascii(pattern) && fits_any({with_ascii_labels(pattern)}, compared);
           });
}

}  // namespace sekisho::policy
