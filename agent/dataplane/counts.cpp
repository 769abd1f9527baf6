// SPDX-License-Identifier: Apache-2.0
// Reads counters, and gives out their slots.
#include "agent/dataplane/counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <string>

#include "agent/dataplane/kernel.h"
#include "agent/dataplane/reasons.h"

namespace sekisho::dataplane {

Result<sekisho_counts> read_slot(int map, std::uint32_t slot) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) {
        return fail(Failure::unavailable, "can't tell the number of CPUs: " + error_text(cpus));
    }
    std::vector<sekisho_counts> each(static_cast<std::size_t>(cpus));
    if (bpf_map_lookup_elem(map, &slot, each.data()) != 0) {
        return fail(Failure::unavailable, "can't read the counters: " + error_text(errno));
    }
    sekisho_counts sum{};
    for (const sekisho_counts& one : each) {
        for (std::size_t place = 0; place < std::size(sum.at); place++) {
            sum.at[place].packets += one.at[place].packets;
            sum.at[place].bytes += one.at[place].bytes;
        }
    }
    return sum;
}

std::vector<Count> named(const sekisho_counts& counts) {
    std::vector<Count> list;
    unsigned place = 0;
    for (const sekisho_count& count : std::span(counts.at)) {
        if (count.packets != 0) {
            list.push_back({.reason = std::string(reason_name(place / SEKISHO_VERDICTS)),
                            .verdict = std::string(verdict_name(place % SEKISHO_VERDICTS)),
                            .packets = count.packets,
                            .bytes = count.bytes});
        }
        place++;
    }
    return list;
}

Result<void> Slots::give(unsigned index) {
    if (given_.contains(index) || index >= SEKISHO_INDEXES) {
        return {};
    }
    std::uint32_t slot = 1;
    while (slot < SEKISHO_SLOTS &&
           std::ranges::any_of(given_, [slot](const auto& each) { return each.second.slot == slot; })) {
        slot++;
    }
    if (slot == SEKISHO_SLOTS) {
        slots_[index] = 0;  // an agent before this one may have had one for it, which is another's now
        return {};
    }
    const auto before = read_slot(counts_, slot);
    if (!before) {
        return std::unexpected(before.error());
    }
    slots_[index] = static_cast<std::uint8_t>(slot);
    given_[index] = {.slot = slot, .before = *before};
    return {};
}

void Slots::take_back(unsigned index) {
    if (index < slots_.size()) {
        slots_[index] = 0;
    }
    given_.erase(index);
}

std::uint32_t Slots::slot_of(unsigned index) const {
    const auto given = given_.find(index);
    return given == given_.end() ? 0 : given->second.slot;
}

Result<std::optional<sekisho_counts>> Slots::counts(unsigned index) const {
    const auto given = given_.find(index);
    if (given == given_.end()) {
        return std::nullopt;
    }
    auto now = read_slot(counts_, given->second.slot);
    if (!now) {
        return std::unexpected(now.error());
    }
    for (std::size_t place = 0; place < std::size(now->at); place++) {
        now->at[place].packets -= given->second.before.at[place].packets;
        now->at[place].bytes -= given->second.before.at[place].bytes;
    }
    return std::optional(*now);
}

}  // namespace sekisho::dataplane
