// SPDX-License-Identifier: Apache-2.0
// sd_notify.
#include "agent/base/systemd.h"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace sekisho::systemd {

void ready(const std::string& status) {
    // The status stands on one line; whoever reads it is not told of failures, and neither are we.
    ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void stopping() { ::sd_notify(0, "STOPPING=1"); }

void alive() { ::sd_notify(0, "WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdog_interval() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds(microseconds / 2);
}

}  // namespace sekisho::systemd
