// SPDX-License-Identifier: Apache-2.0
// A second opinion on what must become of a frame, written from the RFCs and from bpf/README.md in the
// plainest way there is. It shares nothing with the programs but the numbers of reasons and verdicts.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "bpf/sekisho_abi.h"
#include "tests/bpf/packet.h"
#include "tests/bpf/policy.h"

namespace sekisho::bpftest {

struct Opinion {
    sekisho_reason reason;
    sekisho_verdict verdict;

    auto operator<=>(const Opinion&) const = default;
};

// Flags of what is known of a subscriber's key (enum sekisho_entry_flag), 0 if nothing is. All grants live.
using Knowledge = std::function<std::uint8_t(const sekisho_key& key)>;

class Reference {
public:
    Reference(const Policy& policy, Knowledge knowledge, bool inspects_tunnels, bool validates_sources);

    // Of a frame that begins with its Ethernet header, without tags in metadata. Enforced is port 25.
    // `offloaded`: it is a large segment that the device will cut up, whose IPv4 total length may be 0.
    [[nodiscard]] Opinion judge(std::span<const std::uint8_t> frame, bool offloaded = false) const;

    // The same of one that comes from elsewhere.
    [[nodiscard]] Opinion judge_uplink(std::span<const std::uint8_t> frame, sekisho_replies replies) const;

    struct Network {
        Bytes octets;
        std::size_t length;  // bits
    };

private:
    [[nodiscard]] static bool may_be_anybody(std::span<const std::uint8_t> source);
    [[nodiscard]] const Pool* pool_of(std::span<const std::uint8_t> address) const;
    [[nodiscard]] bool is_barred(std::span<const std::uint8_t> source,
                                 std::span<const std::uint8_t> destination) const;
    [[nodiscard]] Opinion of_segment(std::span<const std::uint8_t> line, std::span<const std::uint8_t> source,
                                     std::span<const std::uint8_t> destination) const;

    std::vector<std::pair<Network, Pool>> pools_;
    std::vector<Network> designated_;
    std::vector<Network> own_;
    std::vector<Network> foreign_;
    Knowledge knowledge_;
    bool inspects_tunnels_;
    bool validates_sources_;
};

}  // namespace sekisho::bpftest
