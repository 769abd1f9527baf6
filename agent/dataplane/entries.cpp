// SPDX-License-Identifier: Apache-2.0
// What is known of each subscriber key, and the connections that were opened: written, read, swept.
#include "agent/dataplane/entries.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <iterator>

#include "agent/dataplane/state.h"

namespace sekisho::dataplane {

namespace {

constexpr std::uint32_t batch_size = 4096;

std::unexpected<Error> map_error(const std::string& what, int error) {
    return fail(Failure::unavailable, what + ": " + error_text(error));
}

sekisho_change change_of(const grants::KernelEntry& entry) {
    sekisho_change change{};
    sekisho_entry& to = change.entry;
    to.key = kernel_key(entry.key);
    to.expires_ns = entry.granted ? static_cast<std::uint64_t>(entry.expires.count()) : 0;
    to.generation = entry.generation;
    to.budget_left = static_cast<__s32>(entry.budget);
    to.flags = static_cast<std::uint8_t>((entry.exempt ? SEKISHO_ENTRY_EXEMPT : 0) |
                                         (entry.granted ? SEKISHO_ENTRY_GRANT : 0) |
                                         (entry.quarantined ? SEKISHO_ENTRY_QUARANTINE : 0) |
                                         (entry.budget == 0 ? SEKISHO_ENTRY_UNLIMITED : 0));
    to.key_bits = static_cast<std::uint8_t>(entry.key.length);
    change.renew = entry.renewed ? 1 : 0;
    return change;
}

grants::KernelEntry agent_entry(const sekisho_entry& entry) {
    return {.key = prefix_of(entry.key, entry.key_bits),
            .exempt = (entry.flags & SEKISHO_ENTRY_EXEMPT) != 0,
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

// Runs a program of upkeep.bpf.c, which may change its context: 0, or an errno.
template <class Context>
int run(int program, Context& context) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    return bpf_prog_test_run_opts(program, &options) == 0 ? 0 : errno;
}

}  // namespace

Result<std::vector<sekisho_entry>> read_entries(int map) {
    std::vector<sekisho_entry> found;
    std::vector<sekisho_key> keys(batch_size);
    std::vector<sekisho_entry> values(batch_size);
    sekisho_key place{};
    bool begun = false;
    for (bool more = true; more;) {
        std::uint32_t count = batch_size;
        const int failed = bpf_map_lookup_batch(map, begun ? &place : nullptr, &place, keys.data(),
                                                values.data(), &count, nullptr);
        if (failed != 0 && errno != ENOENT) {
            return map_error("can't read the entries", errno);
        }
        more = failed == 0;
        begun = true;
        found.insert(found.end(), values.begin(), values.begin() + count);
    }
    return found;
}

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
    const auto bit = bit_of(entry.key);
    if (!bit) {
        return std::unexpected(bit.error());
    }
    sekisho_change change = change_of(entry);
    if (const int error = run(state_->kernel.put_entry(), change); error != 0) {
        return map_error("can't write the entry of " + entry.key.text(), error);
    }
    return finish_put(entry.key, *bit, change.result);
}

Result<void> Dataplane::put_all(std::span<const grants::KernelEntry> entries, std::vector<Prefix>& failed) {
    Result<void> result;
    const auto fails = [&](const Prefix& key, const Error& error) {
        failed.push_back(key);
        if (result) {
            result = std::unexpected(error);
        }
    };
    const std::span<sekisho_change> changes = state_->kernel.changes();
    while (!entries.empty()) {
        std::vector<std::pair<Prefix, std::uint32_t>> asked;  // and the bit
        for (; !entries.empty() && asked.size() < changes.size(); entries = entries.subspan(1)) {
            if (const auto bit = bit_of(entries.front().key)) {
                changes[asked.size()] = change_of(entries.front());
                changes[asked.size()].result = SEKISHO_CHANGE_ABSENT;
                asked.emplace_back(entries.front().key, *bit);
            } else {
                fails(entries.front().key, bit.error());
            }
        }
        sekisho_batch batch{.count = static_cast<std::uint32_t>(asked.size()), .reserved = 0};
        const int error = run(state_->kernel.put_entries(), batch);
        for (std::size_t place = 0; place < asked.size(); place++) {
            const auto& [key, bit] = asked[place];
            const Result<void> done = error != 0 ? map_error("can't write the entry of " + key.text(), error)
                                                 : finish_put(key, bit, changes[place].result);
            if (!done) {
                fails(key, done.error());
            }
        }
    }
    return result;
}

Result<std::uint32_t> Dataplane::bit_of(const Prefix& key) const {
    const auto& table = state_->table;
    const auto bit = table ? table->bit_of(key) : std::nullopt;
    if (!bit) {
        return fail(Failure::refused, key.text() + " lies in no pool");
    }
    return *bit;
}

// What follows from what the kernel answered.
Result<void> Dataplane::finish_put(const Prefix& key, std::uint32_t bit, std::uint32_t result) {
    if (result == SEKISHO_CHANGE_FULL || result == SEKISHO_CHANGE_ABSENT) {
        return fail(Failure::unavailable,
                    "can't write the entry of " + key.text() + ": the kernel's map of entries is full (" +
                        std::to_string(state_->kernel.max_entries()) + ")",
                    "raise dataplane.max_entries, then `sekishod --detach` and start again");
    }
    if (result == SEKISHO_CHANGE_MADE) {
        raise_bit(bit);
    }
    wake(state_->resting, key.address);
    return {};
}

void Dataplane::raise_bit(std::uint32_t bit) {
    state_->bits.raise(bit, [this](std::uint32_t place, bool set) { state_->tables.set_bit(place, set); });
}

void Dataplane::lower_bit(const Prefix& key) {
    const auto& table = state_->table;
    if (const auto bit = table ? table->bit_of(key) : std::nullopt) {
        state_->bits.lower(*bit,
                           [this](std::uint32_t place, bool set) { state_->tables.set_bit(place, set); });
    }
}

Result<void> Dataplane::retire(const Prefix& key) {
    sekisho_change change{};
    change.entry.key = kernel_key(key);
    if (const int error = run(state_->kernel.retire_entry(), change); error != 0) {
        return map_error("can't close the entry of " + key.text(), error);
    }
    if (change.result == SEKISHO_CHANGE_RESTING) {
        state_->resting.insert(key);
        return {};
    }
    wake(state_->resting, key.address);
    if (change.result == SEKISHO_CHANGE_DONE) {
        lower_bit(key);
    }
    return {};
}

Result<void> Dataplane::remove(const Prefix& key) {
    const sekisho_key bytes = kernel_key(key);
    wake(state_->resting, key.address);
    if (bpf_map_delete_elem(state_->kernel.entries(), &bytes) != 0) {
        if (errno == ENOENT) {
            return {};
        }
        return map_error("can't remove the entry of " + key.text(), errno);
    }
    lower_bit(key);
    return {};
}

Result<std::vector<grants::KernelEntry>> Dataplane::entries() {
    const auto all = read_entries(state_->kernel.entries());
    if (!all) {
        return std::unexpected(all.error());
    }
    std::vector<grants::KernelEntry> open;
    for (const sekisho_entry& entry : *all) {
        if (is_resting(entry)) {
            state_->resting.insert(prefix_of(entry.key, entry.key_bits));
        } else {
            open.push_back(agent_entry(entry));
        }
    }
    return open;
}

Result<Usage> Dataplane::usage(const Prefix& key) const {
    const sekisho_key bytes = kernel_key(key);
    sekisho_entry entry{};
    if (bpf_map_lookup_elem(state_->kernel.entries(), &bytes, &entry) != 0) {
        return map_error("can't read the entry of " + key.text(), errno);
    }
    const bool limited = (entry.flags & SEKISHO_ENTRY_UNLIMITED) == 0;
    return Usage{.connections_left =
                     limited
                         ? std::optional(static_cast<std::uint32_t>(std::max<__s32>(entry.budget_left, 0)))
                         : std::nullopt,
                 .flows = entry.flows};
}

Result<FlowCounts> Dataplane::sweep_flows(std::chrono::nanoseconds boottime) {
    sekisho_sweep sweep{};
    sweep.now_ns = static_cast<__u64>(boottime.count());
    if (const int error = run(state_->kernel.sweep_flows(), sweep); error != 0) {
        return map_error("can't sweep the recorded connections", error);
    }
    for (const Prefix& key : std::vector(state_->resting.begin(), state_->resting.end())) {
        if (auto retired = retire(key); !retired) {
            return std::unexpected(retired.error());
        }
    }
    return FlowCounts{.recorded = sweep.flows, .forgotten = sweep.ended};
}

int Dataplane::events() const {
    return state_->events.descriptor();
}

std::vector<Overrun> Dataplane::take_overruns() {
    std::vector<Overrun> overruns;
    for (const sekisho_event& event : state_->events.drain()) {
        if (event.kind == SEKISHO_EVENT_OVERRUN) {
            overruns.push_back({.key = prefix_of(event.key, event.key_bits), .generation = event.generation});
        }
    }
    return overruns;
}

}  // namespace sekisho::dataplane
