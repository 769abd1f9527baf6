// SPDX-License-Identifier: Apache-2.0
// What systemd wants to know of a daemon, see sd_notify(3). Without systemd all of it does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/descriptor.h"

namespace sekisho::systemd {

void ready();
void stopping();
// One line for `systemctl status`.
void status(std::string_view text);
// To be called every watchdog_interval().
void alive();

// Half of WatchdogSec=, as sd_watchdog_enabled(3) advises, or nothing if no watchdog is wanted.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

// The sockets of this FileDescriptorName= that systemd has opened for us (sd_listen_fds(3)), in the order of
// the unit. The caller owns them; asked again, there are none. They are made close-on-exec and nonblocking.
[[nodiscard]] std::vector<Descriptor> passed_sockets(std::string_view name);

}  // namespace sekisho::systemd
