// SPDX-License-Identifier: Apache-2.0
// The search in the pools' sorted prefixes.
#include "agent/grants/placement.h"

#include <algorithm>

namespace sekisho::grants {

namespace {

int key_length(const PoolConfig& pool, Family family) {
    return family == Family::ipv4 ? 32 : pool.key_length_ipv6;
}

}  // namespace

Placements::Placements(const std::vector<PoolConfig>& pools) {
    for (const PoolConfig& pool : pools) {
        for (const Prefix& prefix : pool.prefixes) {
            entries_.push_back({.prefix = prefix, .pool = &pool, .around = std::nullopt});
        }
    }
    // By first address, the wider one first: whatever holds an entry stands before it.
    std::ranges::sort(entries_, {}, &Entry::prefix);
    for (std::size_t i = 1; i < entries_.size(); ++i) {
        std::optional<std::size_t> around = i - 1;
        while (around && !entries_[*around].prefix.contains(entries_[i].prefix)) {
            around = entries_[*around].around;
        }
        entries_[i].around = around;
    }
}

std::optional<Placement> Placements::place(const Address& address) const {
    const auto after = std::ranges::upper_bound(entries_, address, {},
                                                [](const Entry& entry) { return entry.prefix.address; });
    if (after == entries_.begin()) {
        return std::nullopt;
    }
    // Every prefix that holds the address also holds the last start that is not above it.
    std::optional<std::size_t> candidate = static_cast<std::size_t>(after - entries_.begin()) - 1;
    while (candidate && !entries_[*candidate].prefix.contains(address)) {
        candidate = entries_[*candidate].around;
    }
    if (!candidate) {
        return std::nullopt;
    }
    const Entry& entry = entries_[*candidate];
    const int length = key_length(*entry.pool, address.family);
    return Placement{.pool = entry.pool,
                     .key = {.address = address.masked(length), .length = length},
                     .within = entry.prefix};
}

Fit Placements::fit(const Prefix& prefix, Placement& placement) const {
    if (const auto found = place(prefix.address)) {
        placement = *found;
        if (prefix.length < found->within.length) {
            return Fit::too_wide;
        }
        if (prefix.length == found->key.length) {
            return Fit::key;
        }
        return prefix.length < found->key.length ? Fit::wide : Fit::narrow;
    }
    const auto after = std::ranges::upper_bound(entries_, prefix.address, {},
                                                [](const Entry& entry) { return entry.prefix.address; });
    if (after == entries_.end() || !prefix.contains(after->prefix)) {
        return Fit::outside;
    }
    const int length = key_length(*after->pool, after->prefix.address.family);
    placement = {.pool = after->pool,
                 .key = {.address = after->prefix.address.masked(length), .length = length},
                 .within = after->prefix};
    return Fit::too_wide;
}

std::optional<Placement> Placements::place_key(const Prefix& key) const {
    auto found = place(key.address);
    if (!found || found->key != key) {
        return std::nullopt;
    }
    return found;
}

}  // namespace sekisho::grants
