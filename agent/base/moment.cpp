// SPDX-License-Identifier: Apache-2.0
// Moments as text.
#include "agent/base/moment.h"

#include <array>
#include <ctime>

namespace sekisho {

std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> moment) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(moment).time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

}  // namespace sekisho
