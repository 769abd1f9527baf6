// SPDX-License-Identifier: Apache-2.0
// Both programs loaded into the kernel, sharing their maps, and run on single frames (BPF_PROG_TEST_RUN).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/dataplane/entry_table.h"
#include "bpf/sekisho_abi.h"
#include "tests/bpf/packet.h"

struct bpf_object;
struct bpf_program;
struct sekisho_tc;
struct sekisho_upkeep;
struct sekisho_xdp;

namespace sekisho::bpftest {

enum class Kind : std::uint8_t { xdp, tc };
[[nodiscard]] std::string name(Kind kind);

// Which of a kind's programs: for the subscriber side, the same with source validation, for the uplink side;
// the three for a device without an Ethernet header (TC only); the three with the fast path (XDP only).
enum class Role : std::uint8_t {
    subscriber,
    validated,
    uplink,
    bare,
    validated_bare,
    uplink_bare,
    fast,
    validated_fast,
    uplink_fast
};

// What the kernel does with the frame afterwards, in one word for both kinds.
enum class Fate : std::uint8_t { passed, dropped, answered, other };

struct Outcome {
    Fate fate = Fate::other;
    Bytes frame;
};

// What the kernel says of a packet that TC gets from segmentation offload.
struct Gso {
    std::uint32_t size = 0;
    std::uint32_t segments = 0;
};

// Packets and bytes for each reason and verdict that isn't zero.
using Counts = std::map<std::pair<int, int>, std::pair<std::uint64_t, std::uint64_t>>;
// The only thing counted: one packet of this length.
[[nodiscard]] Counts once(sekisho_reason reason, sekisho_verdict verdict, std::size_t length);

// Why the programs can't be run here ("not root", "this kernel has no BPF"), or nothing.
[[nodiscard]] std::string why_not();

class Programs {
public:
    // Loaded once for the process; the test ends if the kernel refuses a program.
    static Programs& get();
    ~Programs();
    Programs(const Programs&) = delete;
    Programs& operator=(const Programs&) = delete;

    // Empties all maps, puts a table of zeros in place, and lets the loopback device (whose index
    // BPF_PROG_TEST_RUN shows) answer for box_mac.
    void reset();
    // The running table, to be changed in place: no program runs meanwhile.
    [[nodiscard]] sekisho_table& table();
    [[nodiscard]] sekisho_state& state();
    // As before the first one.
    void remove_table() const;

    // Without a budget.
    void put_entry(const sekisho_key& key, std::uint8_t flags, std::uint64_t expires_ns);
    // With all that the kernel counts.
    void put_entry(const sekisho_entry& entry);
    // The table of entries, as the agent changes it.
    [[nodiscard]] dataplane::EntryTable& entries() { return *entries_; }
    [[nodiscard]] std::span<sekisho_bucket> buckets() const { return buckets_; }
    // What the agent runs: see upkeep.bpf.c.
    void sweep(sekisho_sweep& sweep) const;
    void put_interface(std::uint32_t index, const sekisho_interface& interface) const;
    void remove_interface(std::uint32_t index) const;
    // Lets all CPUs begin a new second of answers.
    void renew_limiters() const;
    // Fills the trie of foreign dynamic addresses with these prefixes; with none, it is taken away.
    void put_foreign(const std::vector<std::string>& prefixes) const;
    // The descriptor of a map, for programs that share it; negative if there is none that is shared. Any
    // object's ".bss" is sekisho_state.
    [[nodiscard]] int map(std::string_view name) const;
    [[nodiscard]] Counts counts() const;
    void clear_counts() const;

    // Runs the program on the frame; `role` says which. Some frames are refused by the kernel:
    // see can_run().
    [[nodiscard]] Outcome run(Kind kind, const Bytes& frame, Gso gso = {},
                              Role role = Role::subscriber) const;
    // The same of an XDP frame of which only the first `linear` octets, 14 at least, are linear. Nothing
    // where the kernel (before Linux 6.18) doesn't let a test say so.
    [[nodiscard]] std::optional<Outcome> run_in_pieces(const Bytes& frame, std::uint32_t linear) const;
    // BPF_PROG_TEST_RUN takes no frame under 14 octets, and at TC none that is shorter than the IP header it
    // announces.
    [[nodiscard]] static bool can_run(Kind kind, const Bytes& frame);

    [[nodiscard]] int descriptor(Kind kind, Role role = Role::subscriber) const;

private:
    Programs();
    void load();
    void share_maps(bpf_object* object) const;
    void map_entries();

    sekisho_xdp* xdp_ = nullptr;
    sekisho_tc* tc_ = nullptr;
    sekisho_upkeep* upkeep_ = nullptr;
    std::span<sekisho_bucket> buckets_;
    std::optional<dataplane::EntryTable> entries_;
};

// CLOCK_BOOTTIME in nanoseconds.
[[nodiscard]] std::uint64_t boottime();

}  // namespace sekisho::bpftest
