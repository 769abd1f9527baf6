// SPDX-License-Identifier: Apache-2.0
// Messages to systemd. A failed notification is no reason to stop: systemd will notice by itself.
#include "agent/base/systemd.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <string>

#include "agent/base/printable.h"

namespace sekisho::systemd {

void ready() {
    static_cast<void>(::sd_notify(0, "READY=1"));
}

void stopping() {
    static_cast<void>(::sd_notify(0, "STOPPING=1"));
}

void status(std::string_view text) {
    // A line end would begin another variable.
    static_cast<void>(::sd_notify(0, ("STATUS=" + printable(text)).c_str()));
}

void alive() {
    static_cast<void>(::sd_notify(0, "WATCHDOG=1"));
}

std::optional<std::chrono::microseconds> watchdog_interval() {
    std::uint64_t limit = 0;
    if (::sd_watchdog_enabled(0, &limit) <= 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds(limit / 2);
}

}  // namespace sekisho::systemd
