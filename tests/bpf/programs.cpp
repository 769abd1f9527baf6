// SPDX-License-Identifier: Apache-2.0
// Loading and running the programs.
#include "tests/bpf/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <utility>
#include <vector>

#include "tc.skel.h"
#include "upkeep.skel.h"
#include "xdp.skel.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint32_t loopback = 1;
constexpr std::uint32_t loopback_slot = 1;
constexpr std::uint32_t counted_slots = 4;  // that tests use
// Counters, one for each reason and verdict.
constexpr std::uint32_t places = SEKISHO_COUNTS;
constexpr std::size_t largest_frame = 1U << 17;

void require(bool good, const char* what) {
    if (good) {
        return;
    }
    std::cerr << what << ": " << std::strerror(errno) << '\n';
    std::abort();
}

// libbpf tells a program's rejection by the verifier as a warning; all else would only be noise.
int print_warnings(libbpf_print_level level, const char* format, va_list arguments) {
    return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

Fate fate_of(Kind kind, std::uint32_t action) {
    if (kind == Kind::xdp) {
        return action == XDP_PASS   ? Fate::passed
               : action == XDP_DROP ? Fate::dropped
               : action == XDP_TX   ? Fate::answered
                                    : Fate::other;
    }
    const auto verdict = static_cast<int>(action);
    return verdict == TC_ACT_UNSPEC     ? Fate::passed
           : verdict == TC_ACT_SHOT     ? Fate::dropped
           : verdict == TC_ACT_REDIRECT ? Fate::answered
                                        : Fate::other;
}

}  // namespace

std::string name(Kind kind) {
    return kind == Kind::xdp ? "Xdp" : "Tc";
}

Counts once(sekisho_reason reason, sekisho_verdict verdict, std::size_t length) {
    return {{{reason, verdict}, {1, length}}};
}

std::string why_not() {
    if (geteuid() != 0) {
        return "loading BPF programs needs root";
    }
    const int probe = bpf_map_create(BPF_MAP_TYPE_ARRAY, nullptr, 4, 4, 1, nullptr);
    if (probe < 0) {
        return std::string("this kernel has no BPF for us: ") + std::strerror(errno);
    }
    close(probe);
    return {};
}

std::uint64_t boottime() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Programs& Programs::get() {
    static Programs programs;
    return programs;
}

Programs::Programs() {
    libbpf_set_print(print_warnings);
    load();
}

Programs::~Programs() {
    sekisho_upkeep__destroy(upkeep_);
    sekisho_tc__destroy(tc_);
    sekisho_xdp__destroy(xdp_);
}

void Programs::load() {
    xdp_ = sekisho_xdp__open_and_load();
    require(xdp_ != nullptr, "loading the XDP programs");
    tc_ = sekisho_tc__open();
    require(tc_ != nullptr, "opening the TC programs");
    share_maps(tc_->obj);
    require(sekisho_tc__load(tc_) == 0, "loading the TC programs");
    upkeep_ = sekisho_upkeep__open();
    require(upkeep_ != nullptr, "opening the programs that the agent runs");
    share_maps(upkeep_->obj);
    require(sekisho_upkeep__load(upkeep_) == 0, "loading the programs that the agent runs");
    map_entries();
}

void Programs::share_maps(bpf_object* object) const {
    bpf_map* theirs = nullptr;
    bpf_object__for_each_map(theirs, object) {
        const int ours = map(bpf_map__name(theirs));
        if (ours >= 0) {
            require(bpf_map__reuse_fd(theirs, ours) == 0, "sharing a map");
        }
    }
}

void Programs::map_entries() {
    const std::uint32_t count = bpf_map__max_entries(xdp_->maps.sekisho_entries);
    void* memory = ::mmap(nullptr, count * sizeof(sekisho_bucket), PROT_READ | PROT_WRITE, MAP_SHARED,
                          map("sekisho_entries"), 0);
    require(memory != MAP_FAILED, "mapping the entries");
    buckets_ = {static_cast<sekisho_bucket*>(memory), count};
    state().buckets = count;
    state().seed = 1;
}

void Programs::sweep(sekisho_sweep& sweep) const {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &sweep;
    options.ctx_size_in = sizeof(sweep);
    require(bpf_prog_test_run_opts(bpf_program__fd(upkeep_->progs.sweep_flows), &options) == 0,
            "sweeping the flows");
}

int Programs::map(std::string_view name) const {
    if (name.ends_with(".bss")) {  // each object calls it something else
        return bpf_map__fd(xdp_->maps.bss);
    }
    return name.starts_with("sekisho_") && !name.contains('.')
               ? bpf_object__find_map_fd_by_name(xdp_->obj, std::string(name).c_str())
               : -1;
}

sekisho_state& Programs::state() {
    return xdp_->bss->sekisho_state;
}

sekisho_table& Programs::table() {
    return state().tables[0];
}

void Programs::reset() {
    std::memset(&table(), 0, sizeof(sekisho_table));
    state().active = 2;  // the first of the two
    std::ranges::fill(buckets_, sekisho_bucket{});
    entries_.emplace(buckets_, state().seed, [] {});  // the tests wait for what they run
    sekisho_flow_key flow{};
    while (bpf_map_get_next_key(map("sekisho_flows"), nullptr, &flow) == 0) {
        require(bpf_map_delete_elem(map("sekisho_flows"), &flow) == 0, "emptying the flows");
    }
    std::uint32_t index = 0;
    while (bpf_map_get_next_key(map("sekisho_interfaces"), nullptr, &index) == 0) {
        remove_interface(index);
    }
    clear_counts();
    state().slots[loopback] = loopback_slot;
    renew_limiters();
    put_foreign({});
    sekisho_interface interface{};
    std::memcpy(interface.mac, box_mac.data(), sizeof(interface.mac));
    put_interface(loopback, interface);
}

void Programs::put_foreign(const std::vector<std::string>& prefixes) const {
    const std::uint32_t zero = 0;
    if (prefixes.empty()) {
        bpf_map_delete_elem(map("sekisho_foreign"), &zero);
        return;
    }
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_NO_PREALLOC;
    const int trie = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "foreign", sizeof(sekisho_foreign_key), 1,
                                    static_cast<std::uint32_t>(prefixes.size()), &options);
    require(trie >= 0, "making a trie");
    for (const std::string& prefix : prefixes) {
        const auto slash = prefix.find('/');
        const auto octets = octets_of(prefix.substr(0, slash));
        const std::size_t before = 16 - octets.size();
        sekisho_foreign_key key{};
        key.bits = static_cast<std::uint32_t>(
            slash == std::string::npos ? 128 : before * 8 + std::stoul(prefix.substr(slash + 1)));
        if (before != 0) {
            key.address[10] = key.address[11] = 0xff;
        }
        std::ranges::copy(octets, key.address + before);
        const std::uint8_t listed = 1;
        require(bpf_map_update_elem(trie, &key, &listed, BPF_ANY) == 0, "filling the trie");
    }
    require(bpf_map_update_elem(map("sekisho_foreign"), &zero, &trie, BPF_ANY) == 0, "putting it in");
    ::close(trie);
}

void Programs::remove_table() const {
    std::memset(xdp_->bss->sekisho_state.tables, 0, sizeof(xdp_->bss->sekisho_state.tables));
    xdp_->bss->sekisho_state.active = 0;
}

void Programs::put_entry(const sekisho_key& key, std::uint8_t flags, std::uint64_t expires_ns) {
    sekisho_entry entry{};
    entry.key = key;
    entry.flags = flags | SEKISHO_ENTRY_UNLIMITED;
    entry.expires_ns = expires_ns;
    put_entry(entry);
}

void Programs::put_entry(const sekisho_entry& entry) {
    require(entries().restore(entry) != dataplane::EntryTable::Put::full, "writing an entry");
}

void Programs::put_interface(std::uint32_t index, const sekisho_interface& interface) const {
    require(bpf_map_update_elem(map("sekisho_interfaces"), &index, &interface, BPF_ANY) == 0,
            "naming an interface");
}

void Programs::remove_interface(std::uint32_t index) const {
    require(bpf_map_delete_elem(map("sekisho_interfaces"), &index) == 0, "forgetting an interface");
}

void Programs::renew_limiters() const {
    const std::uint32_t zero = 0;
    const std::vector<sekisho_limiter> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    require(bpf_map_update_elem(map("sekisho_limiters"), &zero, none.data(), BPF_ANY) == 0,
            "clearing the limiters");
    const std::vector<sekisho_hitters> nobody(none.size());
    require(bpf_map_update_elem(map("sekisho_hitters"), &zero, nobody.data(), BPF_ANY) == 0,
            "forgetting who was blocked");
}

void Programs::clear_counts() const {
    const std::vector<sekisho_counts> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    for (std::uint32_t slot = 0; slot < counted_slots; slot++) {
        require(bpf_map_update_elem(map("sekisho_counts"), &slot, none.data(), BPF_ANY) == 0,
                "clearing the counters");
    }
}

Counts Programs::counts() const {
    Counts all;
    std::vector<sekisho_counts> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    for (std::uint32_t slot = 0; slot < counted_slots; slot++) {
        require(bpf_map_lookup_elem(map("sekisho_counts"), &slot, each.data()) == 0, "reading counters");
        for (std::uint32_t place = 0; place < places; place++) {
            const std::pair row{static_cast<int>(place / SEKISHO_VERDICTS),
                                static_cast<int>(place % SEKISHO_VERDICTS)};
            for (const auto& counts : each) {
                if (counts.at[place].packets != 0) {
                    all[row].first += counts.at[place].packets;
                    all[row].second += counts.at[place].bytes;
                }
            }
        }
    }
    return all;
}

int Programs::descriptor(Kind kind, Role role) const {
    switch (role) {
        case Role::subscriber:
            return bpf_program__fd(kind == Kind::xdp ? xdp_->progs.subscriber_xdp : tc_->progs.subscriber_tc);
        case Role::validated:
            return bpf_program__fd(kind == Kind::xdp ? xdp_->progs.validated_xdp : tc_->progs.validated_tc);
        case Role::uplink:
            return bpf_program__fd(kind == Kind::xdp ? xdp_->progs.uplink_xdp : tc_->progs.uplink_tc);
        case Role::bare:
            return kind == Kind::xdp ? -1 : bpf_program__fd(tc_->progs.subscriber_tc_bare);
        case Role::validated_bare:
            return kind == Kind::xdp ? -1 : bpf_program__fd(tc_->progs.validated_tc_bare);
        case Role::uplink_bare:
            return kind == Kind::xdp ? -1 : bpf_program__fd(tc_->progs.uplink_tc_bare);
        case Role::fast:
            return kind == Kind::xdp ? bpf_program__fd(xdp_->progs.subscriber_fast) : -1;
        case Role::validated_fast:
            return kind == Kind::xdp ? bpf_program__fd(xdp_->progs.validated_fast) : -1;
        case Role::uplink_fast:
            return kind == Kind::xdp ? bpf_program__fd(xdp_->progs.uplink_fast) : -1;
    }
    std::unreachable();
}

bool Programs::can_run(Kind kind, const Bytes& frame) {
    constexpr std::size_t ethernet = 14;
    if (frame.size() < ethernet) {
        return false;
    }
    const int type = frame[12] << 8 | frame[13];
    if (kind == Kind::xdp) {
        return true;
    }
    constexpr std::size_t longest = 3500;  // a page, less what the kernel keeps of it
    const std::size_t header = type == 0x0800 ? 20 : type == 0x86dd ? 40 : 1;
    return frame.size() >= ethernet + header && frame.size() <= longest;
}

Outcome Programs::run(Kind kind, const Bytes& frame, Gso gso, Role role) const {
    Bytes out(largest_frame);
    __sk_buff context{};
    context.gso_size = gso.size;
    context.gso_segs = gso.segments;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<__u32>(out.size());
    if (kind == Kind::tc) {
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
    }
    require(bpf_prog_test_run_opts(descriptor(kind, role), &options) == 0, "running a program");
    out.resize(options.data_size_out);
    return {fate_of(kind, options.retval), std::move(out)};
}

std::optional<Outcome> Programs::run_in_pieces(const Bytes& frame, std::uint32_t linear) const {
    Bytes out(largest_frame);
    xdp_md context{};
    context.data_end = linear;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<__u32>(out.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    if (bpf_prog_test_run_opts(descriptor(Kind::xdp), &options) != 0) {
        require(errno == EINVAL && linear != frame.size(), "running a program on pieces");
        return std::nullopt;
    }
    out.resize(options.data_size_out);
    return Outcome{fate_of(Kind::xdp, options.retval), std::move(out)};
}

}  // namespace sekisho::bpftest
