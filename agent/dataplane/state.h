// SPDX-License-Identifier: Apache-2.0
// What a Dataplane holds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "agent/dataplane/counts.h"
#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/entries.h"
#include "agent/dataplane/entry_table.h"
#include "agent/dataplane/kernel.h"
#include "agent/dataplane/table.h"

namespace sekisho::dataplane {

// Until no CPU can be reading any more what it found before.
void wait_for_readers();

// The table that the kernel reads, and the place of the next one.
class Tables {
public:
    // What both are part of, which outlives this.
    explicit Tables(sekisho_state& state) : state_(state) {}

    // Puts a table in force as a whole. No CPU reads the one before any more when it returns.
    void replace(const sekisho_table& contents);
    [[nodiscard]] const sekisho_table& in_force() const { return state_.tables[state_.active & 1]; }
    // In the bitmap of the one in force.
    void set_bit(std::uint32_t bit, bool value);

private:
    sekisho_state& state_;
};

// How many entries stand behind each bit of the hashed part.
class Bits {
public:
    // An entry came, or went; `set` is called if the bit changes.
    void raise(std::uint32_t bit, const std::function<void(std::uint32_t, bool)>& set);
    void lower(std::uint32_t bit, const std::function<void(std::uint32_t, bool)>& set);

private:
    std::unordered_map<std::uint32_t, std::uint32_t> holders_;
};

struct Dataplane::State {
    explicit State(Kernel loaded)
        : kernel(std::move(loaded)),
          tables(kernel.state()),
          entries(kernel.buckets(), kernel.state().seed, wait_for_readers),
          slots(kernel.state().slots, kernel.counts()) {}

    Kernel kernel;
    Tables tables;
    std::optional<Table> table;  // what is in force; its bitmap is that of the moment it was put there
    EntryTable entries;
    Bits bits;
    Events events;
    std::uint32_t unsent = 0;  // events that the kernel had no room for, when it was asked last
    std::set<Prefix> resting;  // keys for which nothing is open, but whose flows go on
    Config config;
    std::map<unsigned, Attachment> attachments;
    Slots slots;
};

}  // namespace sekisho::dataplane
