// SPDX-License-Identifier: Apache-2.0
// Packets that came a short while ago: the same once more is a repetition, to be answered and otherwise
// ignored (RFC 5080, section 2.2.2). Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <unordered_set>
#include <utility>

#include "agent/base/socket_address.h"

namespace sekisho::subscribers {

class RecentPackets {
public:
    using Time = std::chrono::steady_clock::time_point;

    struct Key {
        Endpoint sender;
        std::uint8_t identifier = 0;
        std::array<std::uint8_t, 16> authenticator{};

        auto operator<=>(const Key&) const = default;
    };

    // So many are remembered, the youngest, and for so long.
    explicit RecentPackets(std::size_t most = 200'000, std::chrono::seconds memory = std::chrono::seconds(60))
        : most_(most), memory_(memory) {}

    // Remembers it. False if it has come within that time.
    [[nodiscard]] bool is_new(const Key& key, Time now) {
        while (!order_.empty() && (order_.front().second + memory_ < now || order_.size() >= most_)) {
            keys_.erase(order_.front().first);
            order_.pop_front();
        }
        if (!keys_.insert(key).second) {
            return false;
        }
        order_.emplace_back(key, now);
        return true;
    }

private:
    struct Hash {
        // A Request Authenticator is a digest: as good as random.
        std::size_t operator()(const Key& key) const {
            std::size_t number = 0;
            std::memcpy(&number, key.authenticator.data(), sizeof number);
            return number;
        }
    };

    std::size_t most_;
    std::chrono::seconds memory_;
    std::unordered_set<Key, Hash> keys_;
    std::deque<std::pair<Key, Time>> order_;
};

}  // namespace sekisho::subscribers
