// SPDX-License-Identifier: Apache-2.0
// Messages to systemd. A failed notification is no reason to stop: systemd will notice by itself.
#include "agent/base/systemd.h"

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "agent/base/printable.h"

namespace sekisho::systemd {

namespace {

struct Passed {
    std::string name;
    Descriptor socket;
};

// All that was passed to this process; read once, because the environment is cleared for its children.
std::vector<Passed>& all_passed() {
    static std::vector<Passed> all = [] {
        std::vector<Passed> list;
        char** names = nullptr;
        const int count = ::sd_listen_fds_with_names(1, &names);
        for (int i = 0; i < count; i++) {
            Descriptor socket(SD_LISTEN_FDS_START + i);
            const int flags = ::fcntl(socket.get(), F_GETFL);
            if (flags >= 0 && ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) == 0) {
                list.push_back({.name = names[i], .socket = std::move(socket)});
            }
            std::free(names[i]);
        }
        std::free(static_cast<void*>(names));
        return list;
    }();
    return all;
}

}  // namespace

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

std::vector<Descriptor> passed_sockets(std::string_view name) {
    std::vector<Descriptor> sockets;
    for (Passed& passed : all_passed()) {
        if (passed.name == name && passed.socket) {
            sockets.push_back(std::move(passed.socket));
        }
    }
    return sockets;
}

}  // namespace sekisho::systemd
