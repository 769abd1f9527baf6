// SPDX-License-Identifier: Apache-2.0
// How long a wrong password's answer is held back: longer each time, by the client's address and network, and
// by the user whose password is guessed. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

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
    // So many failures of a user, or from a network (/24, of IPv6 /48), cost nothing: there are many behind
    // one network, and a user has several devices.
    static constexpr unsigned free_of_user = 4;
    static constexpr unsigned free_of_network = 30;

    // Of each kind, beyond `most` the one that has been good longest is forgotten.
    explicit FailureDelays(std::size_t most = 65'536) : addresses_(most), networks_(most), users_(most) {}

    // A failure: how long its answer is to be held back, by whatever wants it longest. Those without an
    // address count as one. `user`: empty where it isn't known.
    [[nodiscard]] std::chrono::milliseconds failed(const std::optional<Address>& address,
                                                   std::string_view user, Moment now);

    // Of each kind at most.
    [[nodiscard]] std::size_t size() const { return addresses_.size(); }

private:
    // How often each has failed, a table of limited size.
    class Table {
    public:
        explicit Table(std::size_t most) : most_(most) {}
        [[nodiscard]] unsigned count(const std::string& key, Moment now);
        [[nodiscard]] std::size_t size() const { return order_.size(); }

    private:
        struct Entry {
            std::string key;
            unsigned count = 0;
            Moment last;
        };
        using Order = std::list<Entry>;
        void forget(Order::iterator place);

        std::size_t most_;
        Order order_;  // the latest failure at the end
        std::map<std::string, Order::iterator, std::less<>> places_;
    };

    Table addresses_;
    Table networks_;
    Table users_;
};

}  // namespace sekisho::sasl
