// SPDX-License-Identifier: Apache-2.0
// A case is one frame, what is known of its sender, and what must become of it. Each runs on both programs
// and with both ways of filling the table.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/bpf/packet.h"
#include "tests/bpf/policy.h"
#include "tests/bpf/programs.h"

namespace sekisho::bpftest {

// Addresses of the example policy (policy.cpp).
inline constexpr auto reset4 = "192.0.2.7";
inline constexpr auto drop4 = "192.0.2.130";
inline constexpr auto prohibit4 = "198.51.100.97";
inline constexpr auto monitor4 = "192.0.2.200";
inline constexpr auto exempt4 = "192.0.2.70";
inline constexpr auto hashed4 = "198.51.100.200";
inline constexpr auto stranger4 = "203.0.113.77";
inline constexpr auto designated4 = "198.51.100.25";
// No search is needed for these.
inline constexpr auto wide4 = "198.18.7.7";
inline constexpr auto wide_reset4 = "10.25.7.7";
inline constexpr auto wide_monitor4 = "10.26.7.7";
inline constexpr auto foreign4 = "203.0.113.200";
inline constexpr auto mx4 = "203.0.113.10";
inline constexpr auto reset6 = "2001:db8:100:7::7";
inline constexpr auto drop6 = "2001:db8:200:7::7";
inline constexpr auto prohibit6 = "2001:db8:700:7::7";
inline constexpr auto monitor6 = "2001:db8:300:7::7";
inline constexpr auto exempt6 = "2001:db8:100:ff07::7";
inline constexpr auto stranger6 = "2001:db8:77::7";
inline constexpr auto designated6 = "2001:db8:25::25";
inline constexpr auto foreign6 = "2001:db8:7777::7";
inline constexpr auto mx6 = "2001:db8:ffff::10";

// What is written about the key of an address.
struct Known {
    std::string address;
    int key_bits = 32;
    std::uint8_t flags = 0;
    std::int64_t seconds = 600;  // from now until a grant ends
    bool bit = true;             // whether the bitmap says so
    bool entry = true;           // whether there is an entry
};

struct Case {
    std::string name;
    Packet packet;
    sekisho_reason reason;
    sekisho_verdict verdict;
    std::vector<Known> known = {};
};

// For messages: nothing but the name helps.
void PrintTo(const Case& tested, std::ostream* out);
void PrintTo(Fate fate, std::ostream* out);

// What becomes of a packet with this verdict.
[[nodiscard]] Fate fate_of(sekisho_verdict verdict);

// How the table was filled: by HandTable, or by the agent (which is added where the agent's room is built).
struct Filler {
    std::string name;
    // Fills the table from the example policy and says where the bit of an address is.
    std::function<std::optional<std::uint32_t>(std::string_view)> (*fill)(sekisho_table&);
};
void PrintTo(const Filler& filler, std::ostream* out);
[[nodiscard]] const Filler& by_hand();
[[nodiscard]] const Filler& by_agent();

// The example policy by hand, and nothing known of anybody.
void fresh_table();

// Both programs, each with tables filled by hand and by the agent.
class Judged : public testing::TestWithParam<std::tuple<Kind, Filler, Case>> {
protected:
    void SetUp() override;
};

// "Xdp_Hand_NotIpArp".
[[nodiscard]] std::string name_of(const testing::TestParamInfo<Judged::ParamType>& info);

// Makes the kernel know this; `bit_of` is the filler's answer.
void tell(const Known& known, const std::function<std::optional<std::uint32_t>(std::string_view)>& bit_of);

// How many packets were blocked for want of a grant, whatever became of them.
[[nodiscard]] std::uint64_t not_granted(const Counts& counts);

// Runs the case's frame and compares everything: fate, the frame if it passed, all counters.
void judge(Kind kind, const Case& tested);

}  // namespace sekisho::bpftest
