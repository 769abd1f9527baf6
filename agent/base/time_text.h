// SPDX-License-Identifier: Apache-2.0
// Moments and durations as text, and back.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho {

// "2026-01-31T23:59:59Z" (RFC 3339, UTC, fractions cut off).
[[nodiscard]] std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> moment);

// Reads "90s", "10m", "1h30m", "7d": numbers with the units d, h, m, s, in this order, without blanks.
// Failure::refused for more than 36500d, Failure::invalid for what is no duration.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(std::string_view text);

// "1h30m", "10m", "0s"; negative durations count as 0.
[[nodiscard]] std::string duration_text(std::chrono::seconds duration);

// "90": whole seconds, for logs that programs read.
[[nodiscard]] std::string seconds_text(std::chrono::nanoseconds duration);

}  // namespace sekisho
