// SPDX-License-Identifier: Apache-2.0
// Quarantines: an operator shuts an infected subscriber off from every mail server.
#include <algorithm>
#include <ranges>

#include "agent/grants/grants.h"

namespace sekisho::grants {

Result<Actions> Grants::quarantine(const Address& address, const std::string& note, const Now& now) {
    const auto placement = placements_.place(address);
    if (!placement) {
        return fail(Failure::refused, address.text() + " lies in no pool: it is nobody's subscriber",
                    "if it is, add its prefix to a [[pool]] of the configuration");
    }
    if (placement->pool->shared) {
        return fail(Failure::refused,
                    address.text() + " is shared by many subscribers (pool \"" + placement->pool->name +
                        "\"): a quarantine would shut all of them off",
                    "find out behind the translator who it is");
    }
    const Prefix& key = placement->key;
    if (quarantines_.contains(key)) {
        return fail(Failure::conflict, key.text() + " is quarantined already",
                    "nothing was changed; for another note, `sekisho quarantine remove " + address.text() +
                        "` first");
    }
    const Quarantine quarantine{.key = key, .note = note, .since = now.wall};
    quarantines_.emplace(key, quarantine);
    Holding& holding = hold(key);
    holding.quarantined = true;
    const std::uint32_t generation = next_generation(now);  // no connection of before goes on afterwards
    Actions actions{SaveQuarantine{quarantine}};
    if (holding.granted) {
        drop_grant(holdings_.find(key), Flows::end, actions, generation);
    } else {
        holding.generation = generation;
        actions.emplace_back(PutEntry{entry_of(key, holding)});
    }
    return actions;
}

Result<Actions> Grants::release(const Address& address) {
    auto found = quarantine_of(address);
    if (!found) {  // perhaps by a key that it had under another configuration
        const auto covering = std::ranges::find_if(
            quarantines_, [&address](const auto& each) { return each.first.contains(address); });
        if (covering == quarantines_.end()) {
            return fail(Failure::not_found, address.text() + " is not quarantined",
                        "see `sekisho quarantine list`");
        }
        found = covering->second;
    }
    quarantines_.erase(found->key);
    Actions actions{ForgetQuarantine{found->key}};
    const auto place = holdings_.find(found->key);
    if (place == holdings_.end()) {
        return actions;  // it was in no pool any more
    }
    place->second.quarantined = false;
    tell_kernel(place, actions);
    return actions;
}

std::vector<Quarantine> Grants::quarantines() const {
    const auto values = quarantines_ | std::views::values;
    return {values.begin(), values.end()};
}

std::optional<Quarantine> Grants::quarantine_of(const Address& address) const {
    const auto placement = placements_.place(address);
    const auto found = placement ? quarantines_.find(placement->key) : quarantines_.end();
    return found != quarantines_.end() ? std::optional(found->second) : std::nullopt;
}

}  // namespace sekisho::grants
