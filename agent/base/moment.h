// SPDX-License-Identifier: Apache-2.0
// Moments as text.
#pragma once

#include <chrono>
#include <string>

namespace sekisho {

// "2026-11-24T01:02:03Z" (RFC 3339, UTC, whole seconds).
[[nodiscard]] std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> moment);

}  // namespace sekisho
