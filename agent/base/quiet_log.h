// SPDX-License-Identifier: Apache-2.0
// Warnings of what others do, so few that their flood can't fill the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace sekisho::log {

// Of one listener.
class Quiet {
public:
    // `listener` is its name in the configuration.
    explicit Quiet(std::string listener) : listener_(std::move(listener)) {}

    // Warns, with the name of the listener and who it is about, and then not again under this `name` for a
    // while; the next one tells how many weren't written. Whether this one was.
    bool warning(std::string_view name, std::string_view text, std::string_view peer,
                 std::chrono::seconds quiet_for = std::chrono::seconds(1));

private:
    struct Silence {
        std::chrono::steady_clock::time_point until{};
        std::uint64_t swallowed = 0;
    };

    std::string listener_;
    std::map<std::string, Silence, std::less<>> silences_;
};

}  // namespace sekisho::log
