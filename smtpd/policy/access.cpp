// SPDX-License-Identifier: Apache-2.0
// The first entry that fits.
#include "smtpd/policy/access.h"

#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <utility>

#include "agent/base/ascii.h"

namespace sekisho::policy {

namespace {

bool fits_client(const SubmissionAccessConfig& entry, const Address& client) {
    return entry.clients.empty() || std::ranges::any_of(entry.clients, [&client](const Prefix& prefix) {
               return prefix.contains(client);
           });
}

// "rude"@example.net is rude@example.net (RFC 5321, 4.1.2): quotes don't make another of it.
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
    return plain.append(mailbox.substr(std::min(at + 1, mailbox.size())));
}

bool fits_sender(const SubmissionAccessConfig& entry, std::string_view sender) {
    const std::string name = sender.empty() ? "<>" : lowered(unquoted(sender));
    return std::ranges::any_of(entry.senders, [&name](const std::string& pattern) {
        return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    });
}

Access::Kind kind_of(const SubmissionAccessConfig& entry) {
    switch (entry.action) {
        case SubmissionAction::allow:
            return Access::Kind::open;
        case SubmissionAction::deny:
            return entry.unless_login ? Access::Kind::login : Access::Kind::denied;
        case SubmissionAction::delay:
            return Access::Kind::delayed;
    }
    std::unreachable();
}

}  // namespace

Access judge_access(const std::vector<SubmissionAccessConfig>& list, const Address& client,
                    std::optional<std::string_view> sender) {
    for (const SubmissionAccessConfig& entry : list) {
        if (!fits_client(entry, client)) {
            continue;
        }
        if (entry.senders.empty() || (sender && fits_sender(entry, *sender))) {
            return {.kind = kind_of(entry), .entry = &entry};
        }
        if (!sender) {
            return {.kind = Access::Kind::undecided, .entry = &entry};
        }
    }
    return {};
}

}  // namespace sekisho::policy
