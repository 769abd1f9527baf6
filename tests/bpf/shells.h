// SPDX-License-Identifier: Apache-2.0
// Ways to wrap the same segment, for tests of answers.
#pragma once

#include <ostream>
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

// For messages: nothing but the name helps.
void PrintTo(const Shell& shell, std::ostream* out);

[[nodiscard]] const std::vector<Shell>& shells();

// What stands between the frame's MACs and IP: tags, PPPoE.
[[nodiscard]] Packet shell_of(const Shell& shell, Packet frame);

// A subscriber's frame up to the IP header and its options or extensions.
[[nodiscard]] Packet wrapped(const Shell& shell, std::string_view from, std::string_view to);

// What the tests of answers ask: a SYN to port 25 of the mail exchanger of the shell's family, its sequence
// number 99, with so much data.
[[nodiscard]] Packet syn_behind(const Shell& shell, std::string_view from, std::size_t payload);
// The reset that refuses it.
[[nodiscard]] Bytes reset_of(const Shell& shell, std::string_view from, std::size_t payload);
// The frame that refuses a question in this shell by ICMP, sent from `source`.
[[nodiscard]] Bytes prohibition_of(const Bytes& question, const Shell& shell, std::string_view from,
                                   std::string_view source);
// The same question after its checksum, which its sender left to the device (so the field holds the sum of
// what isn't in the segment), has been completed over no more than what is quoted of it.
[[nodiscard]] Bytes completed(const Bytes& question, const Shell& shell);
// Where its TCP header begins.
[[nodiscard]] std::size_t tcp_behind(const Shell& shell);

// The ICMP message, from its type on, that refuses what is quoted: "communication administratively
// prohibited".
[[nodiscard]] Bytes prohibited(const Bytes& quote, bool six, std::string_view from, std::string_view to);

}  // namespace sekisho::bpftest
