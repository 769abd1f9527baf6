// SPDX-License-Identifier: Apache-2.0
// A table of limited size. A right password changes nothing in it: who has one account could else guess at
// the others' without waiting.
#include "smtpd/sasl/failure_delays.h"

#include <algorithm>

namespace sekisho::sasl {

namespace {

constexpr int subscriber_bits = 64;

}  // namespace

Address subscriber_of(const Address& address) {
    return address.family == Family::ipv6 ? address.masked(subscriber_bits) : address;
}

void FailureDelays::forget(Order::iterator place) {
    places_.erase(place->key);
    order_.erase(place);
}

std::chrono::milliseconds FailureDelays::failed(const std::optional<Address>& address, Moment now) {
    while (!order_.empty() && now - order_.front().last > memory) {
        forget(order_.begin());
    }
    const Key key = address ? Key(subscriber_of(*address)) : std::nullopt;
    const auto found = places_.find(key);
    if (found == places_.end()) {
        if (order_.size() >= most_) {
            forget(order_.begin());
        }
        places_[key] = order_.insert(order_.end(), {.key = key, .delay = shortest, .last = now});
        return shortest;
    }
    Entry& entry = *found->second;
    entry.delay = std::min(entry.delay * 2, longest);
    entry.last = now;
    order_.splice(order_.end(), order_, found->second);
    return entry.delay;
}

}  // namespace sekisho::sasl
