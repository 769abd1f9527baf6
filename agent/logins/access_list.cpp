// SPDX-License-Identifier: Apache-2.0
// The first entry that fits.
#include "agent/logins/access_list.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <ranges>
#include <utility>

#include "agent/base/pattern.h"
#include "agent/base/user_name.h"

namespace sekisho::logins {

namespace {

bool fits_user(const AccessConfig& entry, const std::string& user) {
    return entry.users.empty() || fits_any(entry.users, user);
}

bool fits_client(const AccessConfig& entry, const std::optional<Address>& address) {
    return entry.clients.empty() ||
           (address && std::ranges::any_of(entry.clients, [&address](const Prefix& prefix) {
                return prefix.contains(*address);
            }));
}

bool fits_protocol(const AccessConfig& entry, const std::string& protocol) {
    return entry.protocols.empty() || std::ranges::find(entry.protocols, protocol) != entry.protocols.end();
}

}  // namespace

AccessList::AccessList(std::vector<AccessConfig> entries) {
    // Of one priority the one that stood first comes first.
    std::multimap<std::int64_t, AccessConfig> in_order;
    for (AccessConfig& entry : entries) {
        std::ranges::transform(entry.users, entry.users.begin(), folded);
        in_order.emplace(entry.priority, std::move(entry));
    }
    for (AccessConfig& entry : in_order | std::views::values) {
        entries_.push_back(std::move(entry));
    }
}

Access AccessList::judge(const Attempt& attempt) const {
    const std::string user = folded(attempt.user);
    const std::string protocol = folded(attempt.protocol);
    const auto entry = std::ranges::find_if(entries_, [&](const AccessConfig& each) {
        return fits_client(each, attempt.address) && fits_protocol(each, protocol) && fits_user(each, user);
    });
    if (entry == entries_.end()) {
        return Access::open;
    }
    if (entry->action == AccessAction::deny) {
        return Access::denied;
    }
    return entry->clients.empty() ? Access::open : Access::allowed;
}

}  // namespace sekisho::logins
