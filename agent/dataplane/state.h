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
#include "agent/dataplane/kernel.h"
#include "agent/dataplane/table.h"

namespace sekisho::dataplane {

// A table that the kernel may be reading, mapped here: its bits are set in place.
class ActiveTable {
public:
    [[nodiscard]] static Result<ActiveTable> make(const sekisho_table& contents);

    ActiveTable() = default;
    ActiveTable(ActiveTable&& other) noexcept;
    ActiveTable& operator=(ActiveTable&& other) noexcept;
    ActiveTable(const ActiveTable&) = delete;
    ActiveTable& operator=(const ActiveTable&) = delete;
    ~ActiveTable();

    [[nodiscard]] int map() const { return map_.get(); }
    void set_bit(std::uint32_t bit, bool value);

private:
    Descriptor map_;
    sekisho_table* memory_ = nullptr;
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
    explicit State(Kernel loaded) : kernel(std::move(loaded)), slots(kernel.slots(), kernel.counts()) {}

    Kernel kernel;
    ActiveTable active;
    std::optional<Table> table;  // what is in force; its bitmap is that of the moment it was put there
    Bits bits;
    Events events;
    std::set<Prefix> resting;  // keys for which nothing is open, but whose flows go on
    Config config;
    std::map<unsigned, Attachment> attachments;
    Slots slots;
};

}  // namespace sekisho::dataplane
