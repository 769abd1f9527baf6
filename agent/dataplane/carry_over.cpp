// SPDX-License-Identifier: Apache-2.0
// From one layout to the next. Before layout 6 entries stood in a hash, before layout 3 they had no budget.
#include "agent/dataplane/carry_over.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include "bpf/sekisho_abi.h"

namespace sekisho::dataplane {

namespace {

constexpr int first_with_flows = 3;  // and budgets
// What entries were then is what they begin with today.
constexpr std::uint32_t size_in_a_hash = offsetof(sekisho_entry, passed);

// In octets; 0 if it can't be told.
std::uint32_t value_size(int map) {
    bpf_map_info info{};
    std::uint32_t length = sizeof(info);
    return bpf_obj_get_info_by_fd(map, &info, &length) == 0 ? info.value_size : 0;
}

using Subscriber = std::array<std::uint8_t, sizeof(sekisho_key)>;
// How many connections each has, by generation.
using FlowsOf = std::map<std::pair<Subscriber, std::uint32_t>, std::uint16_t>;

FlowsOf::key_type holder_of(const sekisho_key& key, std::uint32_t generation) {
    Subscriber subscriber{};
    std::ranges::copy(key.bytes, subscriber.begin());
    return {subscriber, generation};
}

// With as many connections as were copied: the old programs go on counting meanwhile.
Result<void> copy_entries(int version, const std::filesystem::path& layout, const FlowsOf& flows,
                          EntryTable& entries) {
    const Descriptor old(bpf_obj_get((layout / "sekisho_entries").c_str()));
    if (!old) {
        return {};  // copied before, by somebody who didn't come to the end
    }
    if (value_size(old.get()) != size_in_a_hash) {
        return fail(
            Failure::conflict, "the entries in " + layout.string() + " are of a layout that isn't known",
            "run the sekishod that made them with --detach, or reboot: grants come back from the store");
    }
    sekisho_key key{};
    for (const sekisho_key* last = nullptr; bpf_map_get_next_key(old.get(), last, &key) == 0; last = &key) {
        sekisho_entry entry{};
        if (bpf_map_lookup_elem(old.get(), &key, &entry) != 0) {
            continue;
        }
        const auto counted = flows.find(holder_of(key, entry.generation));
        entry.flows = counted != flows.end() ? counted->second : 0;
        if (version < first_with_flows) {
            entry.flags |= SEKISHO_ENTRY_UNLIMITED;
        }
        if (entries.restore(entry) == EntryTable::Put::full) {
            return fail(Failure::unavailable,
                        "can't carry the entries in " + layout.string() + " over: there is room for " +
                            std::to_string(entries.capacity()),
                        "run sekishod with --detach, raise dataplane.max_entries, and start again");
        }
    }
    return {};
}

// Connections go on; what the old programs record from now until they are replaced ends with its grant.
FlowsOf copy_flows(const std::filesystem::path& layout, const Kernel& kernel) {
    FlowsOf counted;
    const Descriptor old(bpf_obj_get((layout / "sekisho_flows").c_str()));
    if (!old || value_size(old.get()) != sizeof(sekisho_flow)) {
        return counted;
    }
    sekisho_flow_key key{};
    for (const sekisho_flow_key* last = nullptr; bpf_map_get_next_key(old.get(), last, &key) == 0;
         last = &key) {
        sekisho_flow flow{};
        if (bpf_map_lookup_elem(old.get(), &key, &flow) == 0 &&
            bpf_map_update_elem(kernel.flows(), &key, &flow, BPF_ANY) == 0) {
            counted[holder_of(key.subscriber, flow.generation)]++;
        }
    }
    return counted;
}

// Adds what an element of the old map has of counters on each CPU, `each` octets, to those from `place` on.
void add_counts(int map, std::uint32_t key, std::uint32_t place, std::uint32_t each,
                std::vector<sekisho_counts>& carried) {
    const std::size_t size = each / sizeof(sekisho_count);
    std::vector<sekisho_count> values(size * carried.size());
    if (bpf_map_lookup_elem(map, &key, values.data()) != 0) {
        return;
    }
    for (std::size_t cpu = 0; cpu < carried.size(); cpu++) {
        for (std::size_t at = 0; at < std::min<std::size_t>(size, SEKISHO_COUNTS - place); at++) {
            sekisho_count& to = carried[cpu].at[place + at];
            to.packets += values[cpu * size + at].packets;
            to.bytes += values[cpu * size + at].bytes;
        }
    }
}

// What the old programs count from now until they are replaced is lost. Layouts before 4 had an element for
// each counter; since then there is one for each slot, behind whose counters other things may stand.
void copy_counts(const std::filesystem::path& layout, const Kernel& kernel) {
    const Descriptor old(bpf_obj_get((layout / "sekisho_counts").c_str()));
    const int cpus = libbpf_num_possible_cpus();
    const std::uint32_t each = value_size(old.get());
    const bool by_slot = each >= std::size(sekisho_counts{}.at) * sizeof(sekisho_count);
    if (cpus < 0 || each % sizeof(sekisho_count) != 0 || (each != sizeof(sekisho_count) && !by_slot)) {
        return;  // copied before, by somebody who didn't come to the end, or of nobody's making
    }
    std::vector<sekisho_counts> carried(static_cast<std::size_t>(cpus));
    const std::uint32_t elements = by_slot ? SEKISHO_SLOTS : SEKISHO_COUNTS;
    for (std::uint32_t element = 0; element < elements; element++) {
        add_counts(old.get(), element, by_slot ? 0 : element, each, carried);
    }
    const std::uint32_t rest = 0;
    bpf_map_update_elem(kernel.counts(), &rest, carried.data(), BPF_ANY);
}

// Only which interfaces there are: the rest is written when they are attached.
void copy_interfaces(const std::filesystem::path& layout, const Kernel& kernel) {
    const Descriptor old(bpf_obj_get((layout / "sekisho_interfaces").c_str()));
    std::uint32_t index = 0;
    for (const std::uint32_t* last = nullptr; old && bpf_map_get_next_key(old.get(), last, &index) == 0;
         last = &index) {
        const sekisho_interface unknown{};
        bpf_map_update_elem(kernel.interfaces(), &index, &unknown, BPF_NOEXIST);
    }
}

// A link that stayed behind would end with its pin.
Result<void> move_links(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::error_code error;
    std::vector<std::filesystem::path> links;
    for (const auto& link : std::filesystem::directory_iterator(from, error)) {
        links.push_back(link.path());
    }
    for (const std::filesystem::path& link : links) {
        std::filesystem::rename(link, to / link.filename(), error);
        if (error) {
            return fail(Failure::unavailable, "can't move " + link.string() + ": " + error.message(),
                        "run as root, on the BPF file system that the links were pinned in");
        }
    }
    return {};
}

}  // namespace

std::map<int, std::filesystem::path> layouts(const std::filesystem::path& pin_path) {
    std::map<int, std::filesystem::path> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(pin_path, error)) {
        const std::string name = entry.path().filename();
        int version = 0;
        if (name.starts_with('v') &&
            std::from_chars(name.data() + 1, name.data() + name.size(), version).ec == std::errc()) {
            found[version] = entry.path();
        }
    }
    return found;
}

Result<void> carry_over(const std::filesystem::path& pin_path, const Kernel& kernel, EntryTable& entries) {
    for (const auto& [version, layout] : layouts(pin_path)) {
        if (version == SEKISHO_ABI_VERSION) {
            continue;
        }
        if (version > SEKISHO_ABI_VERSION) {
            return fail(Failure::conflict, "a newer sekishod has left its pins in " + layout.string(),
                        "install that version again, or run it with --detach first");
        }
        const FlowsOf flows = copy_flows(layout, kernel);
        if (auto copied = copy_entries(version, layout, flows, entries); !copied) {
            return copied;
        }
        copy_counts(layout, kernel);
        copy_interfaces(layout, kernel);
        if (auto moved = move_links(layout / "links", kernel.links()); !moved) {
            return moved;
        }
        std::error_code error;
        std::filesystem::remove_all(layout, error);
    }
    return {};
}

}  // namespace sekisho::dataplane
