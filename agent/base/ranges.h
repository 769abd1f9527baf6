// SPDX-License-Identifier: Apache-2.0
// Prefixes flattened into disjoint ranges, as the kernel's table holds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

// How many ranges of one family the kernel's table holds, of sources and of destinations each.
constexpr std::size_t most_ranges = 1024;
// How many prefixes can have a meaning of their own: each one of a pool, each designated server.
constexpr std::size_t most_meanings = 1023;
// How many lists of pools, each other than the rest, sources can be validated against.
constexpr std::size_t most_entrants = 32;

struct Piece {
    Prefix prefix;
    std::uint32_t meaning = 0;  // any number but 0
};

struct Range {
    Address start;
    std::uint32_t meaning = 0;  // 0: nothing said about it

    bool operator==(const Range&) const = default;
};

// Covers the whole family, in order; the longest prefix that holds an address says what it means. Neighbours
// of the same meaning are one range.
[[nodiscard]] std::vector<Range> flatten(Family family, const std::vector<Piece>& pieces);

}  // namespace sekisho
