// SPDX-License-Identifier: Apache-2.0
// The kernel half, seen from the agent: load, attach, pin, replace, fill. The only room that knows libbpf.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::dataplane {

// Packets and bytes counted for one reason and verdict.
struct Count {
    std::string reason;   // "not_granted"
    std::string verdict;  // "pass", "monitor", "drop", "reset"
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

// One step of the kernel's decision, in its order, for `why`.
struct Step {
    std::string rule;  // the reason's name: "quarantined", "designated", ...
    bool matched = false;
    std::string detail;  // in words: "198.51.100.25 is the designated server mail"
};

// What the kernel would do with a SYN to an enforced port.
struct Explanation {
    std::string verdict;
    std::string reason;
    std::vector<Step> steps;
};

// What was used of a grant.
struct Usage {
    std::optional<std::uint32_t> connections_left;  // of its budget, if it has one
    std::uint32_t flows = 0;                        // connections that are recorded
};

// Connections that were opened under grants.
struct FlowCounts {
    std::uint32_t recorded = 0;
    std::uint32_t forgotten = 0;  // this time
};

// The kernel closed a grant, because it was used more often than it was good for.
struct Overrun {
    Prefix key;
    std::uint32_t generation = 0;
};

// A sender whose packets are blocked, or would be if its pool did more than monitor.
struct Hitter {
    Prefix source;  // an IPv4 address, or an IPv6 /64
    std::uint64_t packets = 0;
    std::chrono::nanoseconds first{};  // CLOCK_MONOTONIC
    std::chrono::nanoseconds last{};
    std::uint64_t destinations = 0;  // a bit for each of 64 classes of them
};

// A network interface, as far as attaching needs to know it.
struct Interface {
    unsigned index = 0;
    std::string name;
    std::uint16_t hardware = 1;  // ARPHRD_...: what stands before IP, if anything
    std::array<std::uint8_t, 6> mac{};
    bool bridge = false;  // it is one, or a port of one: frames for others' MACs are answered, too
};

// How an interface is attached.
struct Attachment {
    std::string interface;
    unsigned index = 0;
    Side side = Side::subscriber;
    std::string mode;           // "xdp", "xdp-generic", "tcx", "clsact"
    std::string why;            // "native XDP: the driver has it"
    std::uint32_t program = 0;  // its id in the kernel
    bool fast_path = false;     // its packets are routed by the program, where that is possible
    bool takes_frames = false;  // packets of the others' fast path leave by it
    bool taken_over = false;    // a program of ours was there already
};

// One box's dataplane: there is one at a time for a pin path, held by a lock. Programs, maps and links stay
// in force when the object goes, and a new one takes them over. Not thread-safe.
class Dataplane {
public:
    // Loads the programs and takes over what is pinned below the configuration's pin_path, or begins there.
    // Failure::conflict if another agent holds the path, Failure::unavailable if the kernel refuses, saying
    // what it lacks.
    [[nodiscard]] static Result<Dataplane> open(const Config& config);

    Dataplane(Dataplane&&) noexcept;
    Dataplane& operator=(Dataplane&&) noexcept;
    Dataplane(const Dataplane&) = delete;
    Dataplane& operator=(const Dataplane&) = delete;
    ~Dataplane();

    // What an operator should know of the way it was opened; often empty.
    [[nodiscard]] const std::vector<std::string>& notices() const;

    // Replaces pools, designated servers, ports and wide exemptions as one. Entries stay.
    [[nodiscard]] Result<void> set_policy(const Config& config, const std::vector<Prefix>& wide_exemptions);

    // Replaces the foreign dynamic addresses as one. They are blocked on their way to the servers that the
    // policy says. Failure::unavailable if there is no memory for them; the old ones stay then.
    [[nodiscard]] Result<void> set_foreign_dynamic(const std::vector<Prefix>& prefixes);

    // Writes all that is known of a key but what the kernel counts, which goes on unless `entry` begins it
    // anew; in force when it returns. Failure::unavailable if the map is full.
    [[nodiscard]] Result<void> put(const grants::KernelEntry& entry);
    // Where many are to be put, this of the ones behind it makes each faster.
    void expect(const Prefix& key) const;
    // Nothing is open for the key any more. Its recorded connections go on after retire(), and end with
    // remove().
    void retire(const Prefix& key);
    void remove(const Prefix& key);
    // Keys within the prefix for which nothing is open, but whose connections go on.
    [[nodiscard]] std::vector<Prefix> resting(const Prefix& within) const;
    // Without those that only wait for their connections to end.
    [[nodiscard]] std::vector<grants::KernelEntry> entries();
    // Nothing if the kernel knows nothing of the key.
    [[nodiscard]] std::optional<Usage> usage(const Prefix& key) const;

    // Forgets the connections that are over; to be called every few seconds.
    [[nodiscard]] Result<FlowCounts> sweep_flows(std::chrono::nanoseconds boottime);

    // A descriptor that is readable when the kernel tells of grants that were overrun, and those; some of
    // them twice, if it had no room to tell of all.
    [[nodiscard]] int events() const;
    [[nodiscard]] std::vector<Overrun> take_overruns();
    // How many it had no room to tell of, since the maps were made; begins anew at 2^32.
    [[nodiscard]] std::uint32_t unsent_events() const;

    // Loads one more program that an interface of the configuration may want when it appears, which is open
    // until it has it: false if all are there. Takes a tenth of a second.
    [[nodiscard]] Result<bool> load_ahead();

    // Puts a program on an interface, or a newer one in the place of the one that is there, without a gap.
    [[nodiscard]] Result<Attachment> attach(const Interface& interface, const InterfaceConfig& config);
    // Whether the program that attach() put there is still on the interface, asked of the kernel. Others can
    // take it off; an interface's number can become another's.
    [[nodiscard]] bool in_place(unsigned index) const;
    // The interface is gone, and its link with it.
    void forget(unsigned index);
    // Says which interfaces' drivers take frames from XDP. Packets of the fast path leave by those of them
    // that are attached by native XDP; what is routed elsewhere goes by the stack. Failure::unavailable if
    // there is no memory for one.
    [[nodiscard]] Result<void> set_frame_takers(const std::set<unsigned>& takers);
    // Pins the maps anew, if somebody has removed their pins: else a new agent would begin with empty ones,
    // and beside this one. Whether any were missing. Failure::conflict if another agent is there already,
    // Failure::unavailable if the kernel says no.
    [[nodiscard]] Result<bool> renew_pins();
    // Takes the programs off all interfaces that were not attached by this object; returns how many.
    [[nodiscard]] Result<int> detach_others();
    [[nodiscard]] std::vector<Attachment> attachments() const;

    // What was counted, without rows of zero.
    [[nodiscard]] Result<std::vector<Count>> counts() const;
    // The same of one interface, since this object has attached it; nothing where it isn't counted apart
    // (only the first 63 are).
    [[nodiscard]] Result<std::optional<std::vector<Count>>> counts(unsigned index) const;
    // Who is being blocked, one for each sender that has a place in the kernel's tables, in no order.
    [[nodiscard]] Result<std::vector<Hitter>> hitters() const;

    // What the kernel would do with a SYN from `source` to port 25 of `destination` (none: of a server that
    // is not designated), and why, rule by rule. `boottime` is the present.
    [[nodiscard]] Result<Explanation> explain(const Address& source,
                                              const std::optional<Address>& destination,
                                              std::chrono::nanoseconds boottime) const;

private:
    struct State;
    void raise_bit(std::uint32_t bit);
    void lower_bit(const Prefix& key);
    [[nodiscard]] Result<void> introduce_router(const Interface& interface);
    void stop_forwarding(unsigned index);
    explicit Dataplane(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Takes everything out of the kernel: programs, maps, pins. Failure::conflict while an agent runs. Returns
// how many interfaces were freed.
[[nodiscard]] Result<int> detach_all(const std::filesystem::path& pin_path);

// What the kernel and the machine offer, for `doctor`.
struct Check {
    std::string name;
    bool ok = false;
    std::string detail;
    std::string remedy;
};
[[nodiscard]] std::vector<Check> check_kernel(const std::filesystem::path& pin_path);
// Of one attached interface: how, and offloads that hide packets from the program.
[[nodiscard]] std::vector<Check> check_interface(const Attachment& attachment);

}  // namespace sekisho::dataplane
