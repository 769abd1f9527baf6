// SPDX-License-Identifier: Apache-2.0
// The guard as nftables reads it. Pure: text from values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"

namespace sekisho::guard {

// The family that a table belongs to. Both tables have the same name.
enum class Table : std::uint8_t { inet, bridge };

// An [[interface]], as far as the guard is concerned.
struct NameRule {
    std::string pattern;  // a name, or the beginning of names and '*'
    bool closed = false;  // until judged

    bool operator==(const NameRule&) const = default;
};

// What the configuration asks for.
struct Plan {
    std::vector<NameRule> names;       // the first that fits counts; empty: nothing is ever closed
    std::vector<std::uint16_t> ports;  // enforced
    std::vector<Prefix> servers;       // designated: reached even so

    [[nodiscard]] bool closes() const { return !names.empty(); }
};
[[nodiscard]] Plan plan_of(const Config& config);

// What changes while the agent runs.
struct State {
    std::set<std::string> stacked;  // names of devices on closed ones, whose packets carry these instead
    std::set<unsigned> judged;      // indexes of interfaces that are closed by name, but judged now

    bool operator==(const State&) const = default;
};

// One table, whatever stood there of it before; those that are judged stay as they are. It can be loaded
// again and again, and beside a running agent.
[[nodiscard]] std::string boot_ruleset(Table table, const Plan& plan, const std::set<std::string>& stacked);
// The same, with exactly these judged.
[[nodiscard]] std::string ruleset(Table table, const Plan& plan, const State& state);
// What makes `to` of `from`; empty if they are the same.
[[nodiscard]] std::string changes(Table table, const State& from, const State& to);

// The words for nft that list a table as JSON, or take it away.
[[nodiscard]] std::vector<std::string> listing_of(Table table);
[[nodiscard]] std::vector<std::string> removal_of(Table table);
// Whether `nft list tables` has named it.
[[nodiscard]] bool is_listed(Table table, std::string_view tables);

// What such a listing shows.
struct Listing {
    std::size_t rules = 0;
    std::size_t stacked = 0;
    std::size_t judged = 0;
    std::uint64_t dropped = 0;  // packets, since the table was made

    bool operator==(const Listing&) const = default;
};
// Nothing if it isn't understood.
[[nodiscard]] std::optional<Listing> read_listing(std::string_view json);
// Whether somebody has taken away some of the table.
[[nodiscard]] bool is_whole(const Listing& listing, Table table, const Plan& plan, const State& state);

}  // namespace sekisho::guard
