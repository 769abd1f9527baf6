// SPDX-License-Identifier: Apache-2.0
// Counters as the kernel has them, and the slots that interfaces have among them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "agent/base/result.h"
#include "agent/dataplane/dataplane.h"
#include "bpf/sekisho_abi.h"

namespace sekisho::dataplane {

// The counters of a slot, all CPUs together.
[[nodiscard]] Result<sekisho_counts> read_slot(int map, std::uint32_t slot);

// Those that aren't zero, by name.
[[nodiscard]] std::vector<Count> named(const sekisho_counts& counts);

// Which interface is counted where. A slot that was used before goes on counting from what it has; what it
// had is remembered, so that an interface is told its own.
class Slots {
public:
    // sekisho_state's slots, and the descriptor of sekisho_counts; both outlive this.
    Slots(std::span<std::uint8_t, SEKISHO_INDEXES> slots, int counts) : slots_(slots), counts_(counts) {}

    // Gives the interface a slot unless it has one; where there are more interfaces than slots, the late ones
    // share slot 0.
    [[nodiscard]] Result<void> give(unsigned index);
    void take_back(unsigned index);
    // The slot of an interface; 0 if it has none of its own.
    [[nodiscard]] std::uint32_t slot_of(unsigned index) const;
    // What was counted of the interface since it got its slot; nothing if it has none.
    [[nodiscard]] Result<std::optional<sekisho_counts>> counts(unsigned index) const;

private:
    struct Given {
        std::uint32_t slot = 0;
        sekisho_counts before{};
    };

    std::span<std::uint8_t, SEKISHO_INDEXES> slots_;
    int counts_;
    std::map<unsigned, Given> given_;
};

}  // namespace sekisho::dataplane
