// SPDX-License-Identifier: Apache-2.0
// Who is being blocked: the CPUs' tables become one list.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <map>

#include "agent/dataplane/state.h"

namespace sekisho::dataplane {

namespace {

// The kernel's unit of time there.
constexpr std::chrono::nanoseconds tick{1U << 30};

Prefix source_of(const sekisho_hitter& hitter) {
    sekisho_key key{};
    for (std::size_t half = 0; half < 2; half++) {
        for (std::size_t octet = 0; octet < 8; octet++) {
            key.bytes[half * 8 + octet] = static_cast<std::uint8_t>(hitter.source[half] >> (56 - 8 * octet));
        }
    }
    return prefix_of(key, hitter.source[0] == 0 ? 32 : 64);
}

void merge(Hitter& to, const sekisho_hitter& from) {
    const auto first = tick * from.first;
    to.first = to.packets == 0 ? first : std::min(to.first, first);
    to.last = std::max<std::chrono::nanoseconds>(to.last, tick * from.last);
    to.packets += from.packets;
    to.destinations |= from.destinations;
}

}  // namespace

Result<std::vector<Hitter>> Dataplane::hitters() const {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) {
        return fail(Failure::unavailable, "can't tell the number of CPUs: " + error_text(cpus));
    }
    std::vector<sekisho_hitters> tables(static_cast<std::size_t>(cpus));
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(state_->kernel.hitters(), &zero, tables.data()) != 0) {
        return fail(Failure::unavailable, "can't read who is being blocked: " + error_text(errno));
    }
    std::map<Prefix, Hitter> merged;
    for (const sekisho_hitters& table : tables) {
        for (const sekisho_hitter& place : table.places) {
            if (place.packets != 0) {
                const Prefix source = source_of(place);
                Hitter& hitter = merged[source];
                hitter.source = source;
                merge(hitter, place);
            }
        }
    }
    std::vector<Hitter> all;
    all.reserve(merged.size());
    for (auto& [source, hitter] : merged) {
        all.push_back(hitter);
    }
    return all;
}

}  // namespace sekisho::dataplane
