// SPDX-License-Identifier: Apache-2.0
// What a daemon tells systemd (sd_notify(3)); nothing happens where it doesn't run under systemd.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace sekisho::systemd {

void ready(const std::string& status);
void stopping();
// Says that the daemon is alive.
void alive();

// How often alive() must be called at least (half of what the unit asks for), or nothing.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace sekisho::systemd
