// SPDX-License-Identifier: Apache-2.0
// The present, on both clocks.
#include "agent/clocks.h"

#include <ctime>
#include <fstream>
#include <stdexcept>

namespace sekisho {

namespace {

// Does not change while the kernel runs.
std::string read_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    if (!(file >> id)) {
        throw std::runtime_error("can't read /proc/sys/kernel/random/boot_id");
    }
    return id;
}

}  // namespace

grants::Now read_clocks() {
    static const std::string boot = read_boot_id();
    timespec boottime{};
    ::clock_gettime(CLOCK_BOOTTIME, &boottime);
    return {.boottime = std::chrono::seconds(boottime.tv_sec) + std::chrono::nanoseconds(boottime.tv_nsec),
            .wall = std::chrono::system_clock::now(),
            .boot = boot};
}

}  // namespace sekisho
