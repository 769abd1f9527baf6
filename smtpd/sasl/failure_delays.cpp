// SPDX-License-Identifier: Apache-2.0
// Tables of limited size. A right password changes nothing in them: who has one account could else guess at
// the others' without waiting.
#include "smtpd/sasl/failure_delays.h"

#include <algorithm>

#include "agent/base/user_name.h"

namespace sekisho::sasl {

namespace {

constexpr int subscriber_bits = 64;
constexpr int network_bits_ipv4 = 24;
constexpr int network_bits_ipv6 = 48;

Address network_of(const Address& address) {
    return address.masked(address.family == Family::ipv6 ? network_bits_ipv6 : network_bits_ipv4);
}

// Of so many failures, the first of which cost nothing.
std::chrono::milliseconds delay_of(unsigned count, unsigned free) {
    if (count <= free) {
        return {};
    }
    constexpr unsigned most_doublings = 5;  // is beyond the longest
    const unsigned doublings = std::min(count - free - 1, most_doublings);
    return std::min(FailureDelays::shortest * (1U << doublings), FailureDelays::longest);
}

}  // namespace

Address subscriber_of(const Address& address) {
    return address.family == Family::ipv6 ? address.masked(subscriber_bits) : address;
}

void FailureDelays::Table::forget(Order::iterator place) {
    places_.erase(place->key);
    order_.erase(place);
}

unsigned FailureDelays::Table::count(const std::string& key, Moment now) {
    while (!order_.empty() && now - order_.front().last > memory) {
        forget(order_.begin());
    }
    auto found = places_.find(key);
    if (found == places_.end()) {
        if (order_.size() >= most_) {
            forget(order_.begin());
        }
        found =
            places_.emplace(key, order_.insert(order_.end(), {.key = key, .count = 0, .last = now})).first;
    }
    Entry& entry = *found->second;
    entry.count++;
    entry.last = now;
    order_.splice(order_.end(), order_, found->second);
    return entry.count;
}

std::chrono::milliseconds FailureDelays::failed(const std::optional<Address>& address, std::string_view user,
                                                Moment now) {
    auto delay = delay_of(addresses_.count(address ? subscriber_of(*address).text() : "", now), 0);
    if (address) {
        delay = std::max(delay, delay_of(networks_.count(network_of(*address).text(), now), free_of_network));
    }
    if (!user.empty()) {
        delay = std::max(delay, delay_of(users_.count(folded(user), now), free_of_user));
    }
    return delay;
}

}  // namespace sekisho::sasl
