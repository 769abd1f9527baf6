// SPDX-License-Identifier: Apache-2.0
// RFC 5321, 4.5.4.1.
#include "smtpd/delivery/schedule.h"

#include <algorithm>
#include <cmath>

namespace sekisho::delivery {

std::optional<message::WallTime> next_attempt(const RelayConfig& config, message::WallTime received,
                                              message::WallTime now, std::size_t attempts, double jitter) {
    constexpr double growth = 1.5;
    constexpr double spread = 0.25;
    const auto longest = static_cast<double>(config.retry_longest.count());
    const double exponent = static_cast<double>(std::min<std::size_t>(attempts, 100)) - 1;
    const double wait = std::min(
        longest, static_cast<double>(config.retry_first.count()) * std::pow(growth, std::max(exponent, 0.0)));
    const std::chrono::seconds seconds(
        std::llround(std::ceil(wait * (1 + spread * std::clamp(jitter, 0.0, 1.0)))));
    const message::WallTime end = received + config.give_up;
    if (now >= end) {
        return std::nullopt;
    }
    // One attempt is made at the very end.
    return std::min(now + std::max(seconds, std::chrono::seconds(1)), end);
}

}  // namespace sekisho::delivery
