// SPDX-License-Identifier: Apache-2.0
// How long a wrong password's answer is held back: longer each time, by the client's address. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <optional>

#include "agent/base/address.h"

namespace sekisho::sasl {

// Whom a client's address stands for: of IPv6 the first 64 bits, the rest is the client's own choice.
[[nodiscard]] Address subscriber_of(const Address& address);

class FailureDelays {
public:
    using Moment = std::chrono::steady_clock::time_point;

    static constexpr std::chrono::milliseconds shortest{200};
    static constexpr std::chrono::milliseconds longest{4000};
    static constexpr std::chrono::minutes memory{10};  // after so long without a failure all is forgotten

    // Beyond `most` addresses the one that has been good longest is forgotten.
    explicit FailureDelays(std::size_t most = 65'536) : most_(most) {}

    // A failure: how long its answer is to be held back. IPv6 counts by /64. Those without an address count
    // as one.
    [[nodiscard]] std::chrono::milliseconds failed(const std::optional<Address>& address, Moment now);

    [[nodiscard]] std::size_t size() const { return order_.size(); }

private:
    using Key = std::optional<Address>;
    struct Entry {
        Key key;
        std::chrono::milliseconds delay{};
        Moment last;
    };
    using Order = std::list<Entry>;

    void forget(Order::iterator place);

    std::size_t most_;
    Order order_;  // the latest failure at the end
    std::map<Key, Order::iterator> places_;
};

}  // namespace sekisho::sasl
