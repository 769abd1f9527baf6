// SPDX-License-Identifier: Apache-2.0
// From one family to the other.
#include "agent/subscribers/other_family.h"

namespace sekisho::subscribers {

std::vector<Address> other_family(const Session& session, const Address& address, const Sessions& sessions,
                                  const grants::Grants& grants) {
    std::vector<Address> addresses;
    for (const Prefix& prefix : session.prefixes) {
        if (prefix.address.family == address.family || sessions.holder_of(prefix) != session.number) {
            continue;
        }
        const auto placement = grants.place(prefix.address);
        if (placement && !placement->pool->shared && placement->key.contains(prefix)) {
            addresses.push_back(prefix.address);
        }
    }
    return addresses;
}

}  // namespace sekisho::subscribers
