// SPDX-License-Identifier: Apache-2.0
// Who is being blocked, as an operator asks: subscribers, not addresses.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <map>

#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

// How many different ones set so many of 64 bits (linear counting; Whang et al., 1990).
unsigned estimate(std::uint64_t bits) {
    constexpr double size = 64;
    const double unset = std::max(1, std::popcount(~bits));
    return static_cast<unsigned>(std::lround(-size * std::log(unset / size)));
}

struct Sum {
    std::uint64_t packets = 0;
    std::uint64_t destinations = 0;
    std::chrono::nanoseconds first = std::chrono::nanoseconds::max();
    std::chrono::nanoseconds last{};
};

double per_second(const Sum& sum) {
    const double seconds = std::chrono::duration<double>(sum.last - sum.first).count();
    return static_cast<double>(sum.packets) / std::max(seconds, 1.0);
}

}  // namespace

Result<std::vector<api::BlockedStatus>> Daemon::blocked(std::size_t count) const {
    const auto hitters = dataplane_.hitters();
    if (!hitters) {
        return std::unexpected(hitters.error());
    }
    std::map<Prefix, Sum> sums;
    for (const dataplane::Hitter& hitter : *hitters) {
        const auto placement = grants_.place(hitter.source.address);
        Sum& sum = sums[placement ? placement->key : hitter.source];
        sum.packets += hitter.packets;
        sum.destinations |= hitter.destinations;
        sum.first = std::min(sum.first, hitter.first);
        sum.last = std::max(sum.last, hitter.last);
    }
    const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = read_clocks().wall;
    std::vector<api::BlockedStatus> list;
    list.reserve(sums.size());
    for (const auto& [key, sum] : sums) {
        const auto placement = grants_.place(key.address);
        list.push_back({.key = key,
                        .pool = placement ? placement->pool->name : std::string(),
                        .packets = sum.packets,
                        .per_second = per_second(sum),
                        .first = wall - (monotonic - sum.first),
                        .last = wall - (monotonic - sum.last),
                        .destinations = estimate(sum.destinations),
                        .quarantined = grants_.quarantine_of(key.address).has_value()});
    }
    std::ranges::sort(list, std::greater(), &api::BlockedStatus::packets);
    list.resize(std::min(list.size(), count));
    return list;
}

}  // namespace sekisho
