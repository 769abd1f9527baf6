// SPDX-License-Identifier: Apache-2.0
// Where an address stands: which pool it lies in, and what its subscriber holds there.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"

namespace sekisho::grants {

// An address's pool, and the key its subscriber has there.
struct Placement {
    const PoolConfig* pool = nullptr;
    Prefix key;     // an IPv4 address, or the IPv6 prefix of the pool's key length
    Prefix within;  // the pool's prefix it lies in
};

// How a prefix lies to the pools and their keys.
enum class Fit {
    outside,   // it touches no pool
    too_wide,  // it holds a pool's prefix, or more
    wide,      // it lies in a pool's prefix and holds several keys
    key,       // it is a key
    narrow,    // it is a part of a key
};

// The pools' prefixes, sorted once; a look-up costs O(log prefixes).
class Placements {
public:
    // The pools must outlive the object. Where prefixes nest, the longest that fits counts.
    explicit Placements(const std::vector<PoolConfig>& pools);

    // The placement of an address, or nothing if it lies in no pool.
    [[nodiscard]] std::optional<Placement> place(const Address& address) const;

    // How `prefix` (no bits behind its length) fits. `placement` is set to that of its first address or, if
    // that lies in no pool, of the first pool's prefix inside it; unchanged for `outside`.
    [[nodiscard]] Fit fit(const Prefix& prefix, Placement& placement) const;

    // The placement of a key, or nothing if `key` is no pool's key today.
    [[nodiscard]] std::optional<Placement> place_key(const Prefix& key) const;

private:
    struct Entry {
        Prefix prefix;
        const PoolConfig* pool;
        std::optional<std::size_t> around;  // the entry this one lies in
    };
    std::vector<Entry> entries_;
};

}  // namespace sekisho::grants
