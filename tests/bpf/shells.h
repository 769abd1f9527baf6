// SPDX-License-Identifier: Apache-2.0
// Ways to wrap the same segment, for tests of answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {

struct Shell {
    std::string name;
    bool six;
    std::size_t tags = 0;
    std::size_t ip_options = 0;
    std::size_t tcp_options = 0;
    std::size_t extensions = 0;
    std::size_t padding = 0;
    std::size_t ppp = 0;  // octets of PPP's protocol number
};

[[nodiscard]] const std::vector<Shell>& shells();

// What stands between the frame's MACs and IP: tags, PPPoE.
[[nodiscard]] Packet shell_of(const Shell& shell, Packet frame);

// A subscriber's frame up to the IP header and its options or extensions.
[[nodiscard]] Packet wrapped(const Shell& shell, std::string_view from, std::string_view to);

// The ICMP message, from its type on, that refuses what is quoted: "communication administratively
// prohibited".
[[nodiscard]] Bytes prohibited(const Bytes& quote, bool six, std::string_view from, std::string_view to);

}  // namespace sekisho::bpftest
