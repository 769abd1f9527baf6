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

bool fits_name(const SubmissionAccessConfig& entry, const std::string& name) {
    return entry.names.empty() || (!name.empty() && fits_any(entry.names, name));
}

bool fits_sender(const SubmissionAccessConfig& entry, std::string_view sender) {
    return entry.senders.empty() || fits_mailbox(entry.senders, sender);
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

Access judge_access(const std::vector<SubmissionAccessConfig>& list, const AccessFacts& facts) {
    for (const SubmissionAccessConfig& entry : list) {
        if (!fits_client(entry, facts.client) || (facts.name && !fits_name(entry, *facts.name)) ||
            (facts.sender && !fits_sender(entry, *facts.sender))) {
            continue;
        }
        const bool known = (entry.names.empty() || facts.name) && (entry.senders.empty() || facts.sender);
        return {.kind = known ? kind_of(entry) : Access::Kind::undecided, .entry = &entry};
    }
    return {};
}

bool name_matters(const std::vector<SubmissionAccessConfig>& list, const Address& client) {
    for (const SubmissionAccessConfig& entry : list) {
        if (fits_client(entry, client) && (!entry.names.empty() || entry.senders.empty())) {
            return !entry.names.empty();  // else it decides, whatever stands behind it
        }
    }
    return false;
}

}  // namespace sekisho::policy
