// SPDX-License-Identifier: Apache-2.0
// The first entry that fits.
#include "smtpd/policy/access.h"

#include <algorithm>
#include <utility>

#include "agent/base/pattern.h"
#include "smtpd/policy/mailbox.h"

namespace sekisho::policy {

namespace {

bool fits_client(const SubmissionAccessConfig& entry, const Address& client) {
    return entry.clients.empty() || std::ranges::any_of(entry.clients, [&client](const Prefix& prefix) {
               return prefix.contains(client);
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
        if (entry.senders.empty() || (sender && fits_any(entry.senders, comparable(*sender)))) {
            return {.kind = kind_of(entry), .entry = &entry};
        }
        if (!sender) {
            return {.kind = Access::Kind::undecided, .entry = &entry};
        }
    }
    return {};
}

}  // namespace sekisho::policy
