// SPDX-License-Identifier: Apache-2.0
// What is known of each subscriber key, and the connections that were opened.
#include "agent/dataplane/entries.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <numeric>

#include "agent/dataplane/state.h"
#include "agent/dataplane/upkeep.h"

namespace sekisho::dataplane {

namespace {

std::unexpected<Error> map_error(const std::string& what, int error) {
    return fail(Failure::unavailable, what + ": " + error_text(error));
}

sekisho_entry kernel_entry(const grants::KernelEntry& entry) {
    sekisho_entry to{};
    to.key = kernel_key(entry.key);
    to.expires_ns = entry.granted ? static_cast<std::uint64_t>(entry.expires.count()) : 0;
    to.generation = entry.generation;
    to.budget_left = static_cast<__s32>(entry.budget);
    to.flags = static_cast<std::uint8_t>(
        (entry.exempt ? SEKISHO_ENTRY_EXEMPT : 0) | (entry.contract ? SEKISHO_ENTRY_CONTRACT : 0) |
        (entry.granted ? SEKISHO_ENTRY_GRANT : 0) | (entry.quarantined ? SEKISHO_ENTRY_QUARANTINE : 0) |
        (entry.budget == 0 ? SEKISHO_ENTRY_UNLIMITED : 0));
    to.key_bits = static_cast<std::uint8_t>(entry.key.length);
    return to;
}

grants::KernelEntry agent_entry(const sekisho_entry& entry) {
    return {.key = prefix_of(entry.key, entry.key_bits),
            .exempt = (entry.flags & SEKISHO_ENTRY_EXEMPT) != 0,
            .contract = (entry.flags & SEKISHO_ENTRY_CONTRACT) != 0,
            .granted = (entry.flags & SEKISHO_ENTRY_GRANT) != 0,
            .quarantined = (entry.flags & SEKISHO_ENTRY_QUARANTINE) != 0,
            .expires = std::chrono::nanoseconds(entry.expires_ns),
            .generation = entry.generation,
            .overrun = (entry.flags & SEKISHO_ENTRY_OVERRUN) != 0};
}

// Nothing is open any more, but flows may go on.
bool is_resting(const sekisho_entry& entry) {
    return (entry.flags & (SEKISHO_ENTRY_EXEMPT | SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_QUARANTINE)) == 0;
}

// The kernel's key is the address alone: one of another length may have rested there.
void wake(std::set<Prefix>& resting, const Address& address) {
    auto each = resting.lower_bound(Prefix{.address = address, .length = 0});
    while (each != resting.end() && each->address == address) {
        each = resting.erase(each);
    }
}

}  // namespace

Result<void> Events::listen(int map) {
    ring_.reset(ring_buffer__new(map, &Events::take, this, nullptr));
    if (ring_ == nullptr) {
        return map_error("can't listen to the kernel's events", errno);
    }
    return {};
}

int Events::descriptor() const {
    return ring_buffer__epoll_fd(ring_.get());
}

int Events::take(void* self, void* data, std::size_t size) {
    if (size >= sizeof(sekisho_event)) {
        static_cast<Events*>(self)->taken_.push_back(*static_cast<const sekisho_event*>(data));
    }
    return 0;
}

std::vector<sekisho_event> Events::drain() {
    taken_.clear();
    ring_buffer__consume(ring_.get());
    return std::exchange(taken_, {});
}

void Events::Free::operator()(ring_buffer* ring) const {
    ring_buffer__free(ring);
}

Result<void> Dataplane::put(const grants::KernelEntry& entry) {
    const auto& table = state_->table;
    const auto bit = table ? table->bit_of(entry.key) : std::nullopt;
    if (!bit) {
        return fail(Failure::refused, entry.key.text() + " lies in no pool");
    }
    switch (state_->entries.put(kernel_entry(entry), entry.renewed)) {
        case EntryTable::Put::full:
            return fail(Failure::unavailable,
                        "can't write the entry of " + entry.key.text() +
                            ": the kernel's map of entries is full (" +
                            std::to_string(state_->entries.capacity()) + ")",
                        "raise dataplane.max_entries, then `sekishod --detach` and start again");
        case EntryTable::Put::made:
            raise_bit(*bit);
            break;
        case EntryTable::Put::changed:
            break;
    }
    wake(state_->resting, entry.key.address);
    return {};
}

void Dataplane::expect(const Prefix& key) const {
    state_->entries.expect(kernel_key(key));
}

void Dataplane::raise_bit(std::uint32_t bit) {
    state_->bits.raise(bit, [this](std::uint32_t place, bool set) { state_->tables.set_bit(place, set); });
}

void Dataplane::lower_bit(const Prefix& key) {
    const auto& table = state_->table;
    if (table && key.length != table->source(key.address).key_bits) {
        return;  // it may be another's, now that keys have another length; one too many does no harm
    }
    if (const auto bit = table ? table->bit_of(key) : std::nullopt) {
        state_->bits.lower(*bit,
                           [this](std::uint32_t place, bool set) { state_->tables.set_bit(place, set); });
    }
}

void Dataplane::retire(const Prefix& key) {
    const EntryTable::Retired retired = state_->entries.retire(kernel_key(key));
    if (retired == EntryTable::Retired::resting) {
        state_->resting.insert(key);
        return;
    }
    wake(state_->resting, key.address);
    if (retired == EntryTable::Retired::gone) {
        lower_bit(key);
    }
}

std::vector<Prefix> Dataplane::resting(const Prefix& within) const {
    std::vector<Prefix> keys;
    const Prefix first{.address = within.address, .length = 0};
    for (auto each = state_->resting.lower_bound(first);
         each != state_->resting.end() && within.contains(*each); ++each) {
        keys.push_back(*each);
    }
    return keys;
}

void Dataplane::remove(const Prefix& key) {
    wake(state_->resting, key.address);
    if (state_->entries.remove(kernel_key(key))) {
        lower_bit(key);
    }
}

std::vector<grants::KernelEntry> Dataplane::entries() {
    std::vector<grants::KernelEntry> open;
    open.reserve(state_->entries.size());
    state_->entries.each([&](const sekisho_entry& entry) {
        if (is_resting(entry)) {
            state_->resting.insert(prefix_of(entry.key, entry.key_bits));
        } else {
            open.push_back(agent_entry(entry));
        }
    });
    return open;
}

std::optional<Usage> Dataplane::usage(const Prefix& key) const {
    const auto entry = state_->entries.find(kernel_key(key));
    if (!entry) {
        return std::nullopt;
    }
    const bool limited = (entry->flags & SEKISHO_ENTRY_UNLIMITED) == 0;
    return Usage{.connections_left =
                     limited
                         ? std::optional(static_cast<std::uint32_t>(std::max<__s32>(entry->budget_left, 0)))
                         : std::nullopt,
                 .flows = entry->flows};
}

Result<FlowCounts> Dataplane::sweep_flows(std::chrono::nanoseconds boottime) {
    sekisho_sweep sweep{};
    sweep.now_ns = static_cast<__u64>(boottime.count());
    if (const int error = run(state_->kernel.sweep_flows(), sweep); error != 0) {
        return map_error("can't sweep the recorded connections", error);
    }
    for (const Prefix& key : std::vector(state_->resting.begin(), state_->resting.end())) {
        retire(key);
    }
    return FlowCounts{.recorded = sweep.flows, .forgotten = sweep.ended};
}

std::optional<std::uint32_t> unsent_events(int limiters) {
    const int cpus = libbpf_num_possible_cpus();
    std::vector<sekisho_limiter> each(static_cast<std::size_t>(std::max(cpus, 0)));
    const std::uint32_t only = 0;
    if (each.empty() || bpf_map_lookup_elem(limiters, &only, each.data()) != 0) {
        return std::nullopt;
    }
    return std::accumulate(each.begin(), each.end(), std::uint32_t{0},
                           [](std::uint32_t sum, const sekisho_limiter& one) { return sum + one.unsent; });
}

int Dataplane::events() const {
    return state_->events.descriptor();
}

namespace {

// What the ring had no room for stands in the entries.
void add_marked(const EntryTable& entries, std::vector<Overrun>& overruns) {
    entries.each([&](const sekisho_entry& entry) {
        if ((entry.flags & SEKISHO_ENTRY_OVERRUN) != 0) {
            overruns.push_back({.key = prefix_of(entry.key, entry.key_bits), .generation = entry.generation});
        }
    });
}

}  // namespace

std::uint32_t Dataplane::unsent_events() const {
    return dataplane::unsent_events(state_->kernel.limiters()).value_or(state_->unsent);
}

std::vector<Overrun> Dataplane::take_overruns() {
    std::vector<Overrun> overruns;
    for (const sekisho_event& event : state_->events.drain()) {
        if (event.kind == SEKISHO_EVENT_OVERRUN) {
            overruns.push_back({.key = prefix_of(event.key, event.key_bits), .generation = event.generation});
        }
    }
    if (const std::uint32_t unsent = unsent_events(); unsent != state_->unsent) {
        state_->unsent = unsent;
        add_marked(state_->entries, overruns);
    }
    return overruns;
}

}  // namespace sekisho::dataplane
