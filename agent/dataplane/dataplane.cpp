// SPDX-License-Identifier: Apache-2.0
// The maps, filled and read.
#include "agent/dataplane/dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "agent/dataplane/attach.h"
#include "agent/dataplane/carry_over.h"
#include "agent/dataplane/clsact.h"
#include "agent/dataplane/kernel.h"
#include "agent/dataplane/state.h"
#include "agent/dataplane/table.h"

namespace sekisho::dataplane {

// Each CPU comes out of the program that it may be running: they run in RCU's read sections, and the kernel
// waits for those (membarrier(2)).
void wait_for_readers() {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) {
        // Refused where CPUs have no tick (nohz_full). No program runs longer than some microseconds.
        constexpr std::chrono::milliseconds long_enough{100};
        std::this_thread::sleep_for(long_enough);
    }
}

void Tables::replace(const sekisho_table& contents) {
    const std::atomic_ref<__u32> active(state_.active);
    const __u32 next = active.load() == 1 ? 2 : 1;
    std::memcpy(&state_.tables[next & 1], &contents, sizeof(contents));
    active.store(next);
    wait_for_readers();
}

void Tables::set_bit(std::uint32_t bit, bool value) {
    const std::atomic_ref<__u64> word(state_.tables[state_.active & 1].bitmap[bit / 64]);
    const __u64 mask = __u64{1} << bit % 64;
    if (value) {
        word.fetch_or(mask);
    } else {
        word.fetch_and(~mask);
    }
}

// One key has one bit of the exact part; of the hashed part several may share one, so they are counted.
void Bits::raise(std::uint32_t bit, const std::function<void(std::uint32_t, bool)>& set) {
    if (bit < SEKISHO_EXACT_BITS || holders_[bit]++ == 0) {
        set(bit, true);
    }
}

void Bits::lower(std::uint32_t bit, const std::function<void(std::uint32_t, bool)>& set) {
    if (bit < SEKISHO_EXACT_BITS) {
        set(bit, false);
        return;
    }
    const auto holder = holders_.find(bit);
    if (holder != holders_.end() && --holder->second == 0) {
        holders_.erase(holder);
        set(bit, false);
    }
}

Dataplane::Dataplane(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dataplane::Dataplane(Dataplane&&) noexcept = default;
Dataplane& Dataplane::operator=(Dataplane&&) noexcept = default;
Dataplane::~Dataplane() = default;

Result<Dataplane> Dataplane::open(const Config& config) {
    auto kernel = Kernel::load(config);
    if (!kernel) {
        return std::unexpected(kernel.error());
    }
    auto state = std::make_unique<State>(std::move(*kernel));
    if (auto carried = carry_over(config.dataplane.pin_path, state->kernel, state->entries); !carried) {
        return std::unexpected(carried.error());
    }
    if (auto listening = state->events.listen(state->kernel.events()); !listening) {
        return std::unexpected(listening.error());
    }
    return Dataplane(std::move(state));
}

const std::vector<std::string>& Dataplane::notices() const {
    return state_->kernel.notices();
}

namespace {

// Whether two tables say the same of every source, whatever bits are set.
bool same_sources(const sekisho_table& one, const sekisho_table& other) {
    return std::memcmp(&one.source4, &other.source4, sizeof(one.source4)) == 0 &&
           std::memcmp(&one.source6, &other.source6, sizeof(one.source6)) == 0 &&
           std::memcmp(&one.segments, &other.segments, sizeof(one.segments)) == 0;
}

// Sources of all pools are valid everywhere, until the interfaces are written down anew.
void forget_entrants(int interfaces) {
    std::uint32_t index = 0;
    for (const std::uint32_t* last = nullptr; bpf_map_get_next_key(interfaces, last, &index) == 0;
         last = &index) {
        sekisho_interface known{};
        if (bpf_map_lookup_elem(interfaces, &index, &known) == 0 && known.entrants != 0) {
            known.entrants = 0;
            bpf_map_update_elem(interfaces, &index, &known, BPF_EXIST);
        }
    }
}

}  // namespace

Result<void> Dataplane::set_policy(const Config& config, const std::vector<Prefix>& wide_exemptions) {
    auto table = Table::build(config, wide_exemptions);
    if (!table) {
        return std::unexpected(table.error());
    }
    Bits bits;
    sekisho_table& data = table->data();
    state_->entries.each([&](const sekisho_entry& entry) {
        if (const auto bit = table->bit_of(prefix_of(entry.key, entry.key_bits))) {
            bits.raise(*bit, [&data](std::uint32_t place, bool) {
                data.bitmap[place / 64] |= std::uint64_t{1} << place % 64;
            });
        }
    });
    // An agent before this one may have numbered other lists of pools.
    if (!state_->table && !same_sources(state_->tables.in_force(), data)) {
        forget_entrants(state_->kernel.interfaces());
    }
    state_->tables.replace(data);
    state_->table = std::move(*table);
    state_->bits = std::move(bits);
    state_->config = config;
    return {};
}

Result<bool> Dataplane::load_ahead() {
    return state_->kernel.programs().load_ahead(state_->config.interfaces);
}

Result<Attachment> Dataplane::attach(const Interface& interface, const InterfaceConfig& config) {
    sekisho_interface known{};
    std::ranges::copy(interface.mac, std::begin(known.mac));
    known.any_mac = interface.bridge ? 1 : 0;
    known.side = config.side == Side::subscriber ? 0 : 1;
    known.tunnels = config.tunnels == Tunnels::inspect ? 1 : 0;
    known.entrants = entrants_of(state_->config, config);
    // Where there is no room any more its packets are judged all the same, and none is answered.
    const bool written =
        bpf_map_update_elem(state_->kernel.interfaces(), &interface.index, &known, BPF_ANY) == 0;
    if (!written && errno != E2BIG) {
        return fail(Failure::unavailable,
                    "can't write down the interface " + interface.name + ": " + error_text(errno));
    }
    if (auto counted = state_->slots.give(interface.index); !counted) {
        return std::unexpected(counted.error());
    }
    if (auto introduced = introduce_router(interface); !introduced) {
        return std::unexpected(introduced.error());
    }
    auto attachment = attach_program(state_->kernel, interface, config);
    if (attachment && !written) {
        attachment->why +=
            "; no answers, no tunnels inspected, no pools told apart: there are too many interfaces";
    }
    if (attachment) {
        attachment->fast_path = attachment->fast_path && state_->slots.slot_of(interface.index) != 0;
        state_->attachments[interface.index] = *attachment;
    } else {
        state_->attachments.erase(interface.index);
    }
    return attachment;
}

Result<void> Dataplane::set_frame_takers(const std::set<unsigned>& takers) {
    for (auto& [index, attachment] : state_->attachments) {
        const std::uint32_t slot = state_->slots.slot_of(index);
        attachment.takes_frames = slot != 0 && attachment.mode == "xdp" && takers.contains(index);
        if (!attachment.takes_frames) {
            stop_forwarding(index);
        } else if (bpf_map_update_elem(state_->kernel.forwarding(), &slot, &index, BPF_ANY) != 0) {
            attachment.takes_frames = false;
            return fail(Failure::unavailable,
                        "can't let the fast path send to " + attachment.interface + ": " + error_text(errno));
        }
    }
    return {};
}

// Says which frames of an interface are for the router.
Result<void> Dataplane::introduce_router(const Interface& interface) {
    const std::uint32_t slot = state_->slots.slot_of(interface.index);
    sekisho_router router{.mac = {}, .routes = static_cast<__u16>(interface.bridge ? 0 : 1)};
    std::memcpy(router.mac, interface.mac.data(), sizeof(router.mac));
    if (slot != 0 && bpf_map_update_elem(state_->kernel.routers(), &slot, &router, BPF_ANY) != 0) {
        return fail(Failure::unavailable,
                    "can't write down the interface " + interface.name + ": " + error_text(errno));
    }
    return {};
}

void Dataplane::stop_forwarding(unsigned index) {
    const std::uint32_t slot = state_->slots.slot_of(index);
    if (slot != 0) {
        bpf_map_delete_elem(state_->kernel.forwarding(), &slot);
    }
}

Result<bool> Dataplane::renew_pins() {
    return state_->kernel.renew_pins();
}

bool Dataplane::in_place(unsigned index) const {
    const auto known = state_->attachments.find(index);
    return known != state_->attachments.end() && is_attached(known->second);
}

void Dataplane::forget(unsigned index) {
    detach_programs(state_->kernel.links(), index);
    stop_forwarding(index);
    bpf_map_delete_elem(state_->kernel.interfaces(), &index);
    state_->slots.take_back(index);
    state_->attachments.erase(index);
}

namespace {

// All interfaces that have, or had, a program of ours: those with a link or a filter, and those written down.
std::set<unsigned> known_interfaces(const std::filesystem::path& links, int interfaces) {
    std::set<unsigned> indexes;
    for (const unsigned index : linked_interfaces(links)) {
        indexes.insert(index);
    }
    for (const unsigned index : filtered_interfaces()) {
        indexes.insert(index);
    }
    std::uint32_t index = 0;
    for (const std::uint32_t* last = nullptr; bpf_map_get_next_key(interfaces, last, &index) == 0;
         last = &index) {
        indexes.insert(index);
    }
    return indexes;
}

}  // namespace

Result<int> Dataplane::detach_others() {
    int count = 0;
    for (const unsigned index : known_interfaces(state_->kernel.links(), state_->kernel.interfaces())) {
        if (!state_->attachments.contains(index)) {
            count += detach_programs(state_->kernel.links(), index) ? 1 : 0;
            bpf_map_delete_elem(state_->kernel.interfaces(), &index);
            state_->slots.take_back(index);
        }
    }
    return count;
}

std::vector<Attachment> Dataplane::attachments() const {
    std::vector<Attachment> list;
    for (const auto& [index, attachment] : state_->attachments) {
        list.push_back(attachment);
    }
    return list;
}

Result<std::vector<Count>> Dataplane::counts() const {
    sekisho_counts sum{};
    for (std::uint32_t slot = 0; slot < SEKISHO_SLOTS; slot++) {
        const auto counts = read_slot(state_->kernel.counts(), slot);
        if (!counts) {
            return std::unexpected(counts.error());
        }
        for (std::size_t place = 0; place < std::size(sum.at); place++) {
            sum.at[place].packets += counts->at[place].packets;
            sum.at[place].bytes += counts->at[place].bytes;
        }
    }
    return named(sum);
}

Result<std::optional<std::vector<Count>>> Dataplane::counts(unsigned index) const {
    const auto counts = state_->slots.counts(index);
    if (!counts) {
        return std::unexpected(counts.error());
    }
    const std::optional<sekisho_counts>& found = *counts;
    return found ? std::optional(named(*found)) : std::nullopt;
}

Result<int> detach_all(const std::filesystem::path& pin_path) {
    const auto lock = lock_pins(pin_path);
    if (!lock) {
        return std::unexpected(lock.error());
    }
    int count = 0;
    std::error_code error;
    for (const auto& [version, layout] : layouts(pin_path)) {
        {
            const Descriptor interfaces(bpf_obj_get((layout / "sekisho_interfaces").c_str()));
            for (const unsigned index : known_interfaces(layout / "links", interfaces.get())) {
                count += detach_programs(layout / "links", index) ? 1 : 0;
            }
        }
        std::filesystem::remove_all(layout, error);
        if (error) {
            return fail(Failure::unavailable, "can't remove " + layout.string() + ": " + error.message(),
                        error == std::errc::permission_denied || error == std::errc::operation_not_permitted
                            ? "run as root"
                            : "");
        }
    }
    std::filesystem::remove(pin_path, error);
    for (const unsigned index : filtered_interfaces()) {  // somebody had removed the pins
        count += detach_programs(links_path(pin_path), index) ? 1 : 0;
    }
    return count;
}

}  // namespace sekisho::dataplane
