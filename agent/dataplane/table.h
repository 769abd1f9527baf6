// SPDX-License-Identifier: Apache-2.0
// From the configuration's prefixes to the kernel's table: ranges, segments, and the place of each key's bit.
// Pure: builds the table in memory; dataplane.cpp puts it into the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "bpf/sekisho_abi.h"

namespace sekisho::dataplane {

// The kernel's form of a subscriber key. IPv4: ::ffff:a.b.c.d (no port set).
[[nodiscard]] sekisho_key kernel_key(const Prefix& key);

// What a key of the kernel of this length stands for.
[[nodiscard]] Prefix prefix_of(const sekisho_key& key, int length);

// The number of an interface's list of pools among those of the configuration, from 1; 0 if it has none.
[[nodiscard]] std::uint8_t entrants_of(const Config& config, const InterfaceConfig& interface);

// A table, with all bits of its bitmap zero, and what the agent must remember of it.
class Table {
public:
    // Flattens the prefixes, the longest match winning. Fails (Failure::invalid) where they are more than the
    // kernel's ranges or segments can hold.
    [[nodiscard]] static Result<Table> build(const Config& config,
                                             const std::vector<Prefix>& wide_exemptions);

    [[nodiscard]] const sekisho_table& data() const { return *data_; }
    [[nodiscard]] sekisho_table& data() { return *data_; }

    // The place of the bit of this subscriber key in the bitmap, or nothing if it lies in no pool.
    [[nodiscard]] std::optional<std::uint32_t> bit_of(const Prefix& key) const;

    // The segment that a source (or destination) address falls into: what the kernel's search finds.
    [[nodiscard]] const sekisho_segment& source(const Address& address) const;
    [[nodiscard]] const sekisho_segment& destination(const Address& address) const;

private:
    Table();
    std::unique_ptr<sekisho_table> data_;
};

}  // namespace sekisho::dataplane
