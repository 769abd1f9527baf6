// SPDX-License-Identifier: Apache-2.0
// Where users have logged in lately. Pure; in memory only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/logins/try_table.h"

namespace sekisho::logins {

// Some million pairs of user and network in 16 MB, whatever happens: each user has his place among fifteen
// others, so one with many networks pushes out few of theirs. A pair is known by a hash of 64 bits.
class Homes {
public:
    // So long a home is known.
    static constexpr std::chrono::hours kept{24 * 30};

    Homes() : shelves_(shelf_count) {}

    void remember(std::string_view user, std::string_view network, Moment now);
    [[nodiscard]] bool knows(std::string_view user, std::string_view network, Moment now) const;

private:
    struct Home {
        std::uint64_t pair = 0;
        std::int64_t seen = 0;  // seconds; 0: free
    };
    static constexpr std::size_t shelf_count = 65'536;
    static constexpr std::size_t shelf_size = 16;
    using Shelf = std::array<Home, shelf_size>;

    std::vector<Shelf> shelves_;
};

}  // namespace sekisho::logins
