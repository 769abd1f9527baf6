// SPDX-License-Identifier: Apache-2.0
// What follows from who has an address: the end of the grants of whoever had it before, and contracts.
#include <utility>

#include "agent/grants/grants.h"

namespace sekisho::grants {

namespace {

// The first address behind all of the key's; nothing if the key ends where all addresses end.
std::optional<Address> behind(const Prefix& key) {
    Address address = key.address;
    const int last_bit = key.length - 1;
    const auto place = static_cast<std::size_t>(last_bit / 8);
    unsigned carry = 1U << (7 - last_bit % 8);
    for (std::size_t i = place + 1; i-- > 0 && carry != 0;) {
        const unsigned sum = address.bytes.at(i) + carry;
        address.bytes.at(i) = static_cast<std::uint8_t>(sum);
        carry = sum >> 8;
    }
    return carry == 0 ? std::optional(address) : std::nullopt;
}

}  // namespace

std::vector<Grant> Grants::hand_over(const Prefix& prefix, const Stays& stays, const Now& now,
                                     Actions& actions) {
    std::vector<Grant> ended;
    const auto end_if_gone = [&](Holdings::iterator place) {
        if (!place->second.granted || stays(place->first, place->second.since)) {
            return;
        }
        if (place->second.alive(now)) {  // else it is over, and not swept yet
            ended.push_back(grant_of(place->first, place->second));
        }
        drop_grant(place, Flows::end, actions);
    };
    if (const auto around = placements_.place(prefix.address); around && around->key.contains(prefix)) {
        if (const auto place = holdings_.find(around->key); place != holdings_.end()) {
            end_if_gone(place);
        }
        return ended;
    }
    const Address last = prefix.address.last(prefix.length);
    auto place = holdings_.lower_bound(Prefix{.address = prefix.address, .length = 0});
    while (place != holdings_.end() && place->first.address <= last) {
        end_if_gone(place++);
    }
    return ended;
}

Result<std::vector<Prefix>> Grants::contract_keys(const Prefix& prefix) const {
    Placement placement;
    const Fit fit = placements_.fit(prefix, placement);
    if (fit == Fit::outside) {
        return std::vector<Prefix>{};
    }
    if (fit == Fit::too_wide) {
        return fail(
            Failure::refused,
            prefix.text() + " is wider than " + placement.within.text() + " of pool \"" +
                placement.pool->name + "\"",
            "nobody has a contract for more than the pool; exempt what is meant by `sekisho exempt add`");
    }
    if (placement.pool->shared) {
        return fail(Failure::refused,
                    prefix.text() + " lies in pool \"" + placement.pool->name +
                        "\", which is shared: a contract would open port 25 for all of its subscribers",
                    "give subscribers with a contract addresses of their own");
    }
    if (fit != Fit::wide) {
        return std::vector{placement.key};
    }
    const int more = placement.key.length - prefix.length;
    if (more > most_contract_bits) {
        return fail(
            Failure::refused,
            prefix.text() + " holds more than " + std::to_string(1 << most_contract_bits) +
                " keys of pool \"" + placement.pool->name + "\"",
            "set ipv6_key of the pool to what one subscriber has, or exempt it by `sekisho exempt add`");
    }
    std::vector<Prefix> keys;
    for (std::optional<Address> next = prefix.address; next && prefix.contains(*next);
         next = behind(keys.back())) {
        keys.push_back({.address = *next, .length = placement.key.length});
    }
    return keys;
}

bool Grants::set_contract(const Prefix& key, bool contract, Actions& actions) {
    const auto place = holdings_.find(key);
    if (contract == (place != holdings_.end() && place->second.contract)) {
        return false;
    }
    hold(key).contract = contract;
    tell_kernel(holdings_.find(key), actions);
    return true;
}

bool Grants::has_contract(const Address& address) const {
    const auto placement = placements_.place(address);
    const auto place = placement ? holdings_.find(placement->key) : holdings_.end();
    return place != holdings_.end() && place->second.contract;
}

}  // namespace sekisho::grants
