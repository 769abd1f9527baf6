// SPDX-License-Identifier: Apache-2.0
// The shells.
#include "tests/bpf/shells.h"

#include <netinet/in.h>

#include <span>
#include <utility>

#include "tests/bpf/cases.h"
#include "tests/bpf/checksum.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t tcp_header = 20;
constexpr std::uint32_t sequence = 99;

}  // namespace

void PrintTo(const Shell& shell, std::ostream* out) {
    *out << shell.name;
}

const std::vector<Shell>& shells() {
    static const std::vector<Shell> all{
        {.name = "Plain4", .six = false},
        {.name = "Padded4", .six = false, .padding = 46},
        {.name = "Tag4", .six = false, .tags = 1},
        {.name = "FourTags4", .six = false, .tags = 4, .tcp_options = 3},
        {.name = "IpOption4", .six = false, .ip_options = 1},
        {.name = "IpOptions4", .six = false, .ip_options = 10, .tcp_options = 10},
        {.name = "TagIpOptions4", .six = false, .tags = 1, .ip_options = 10},
        {.name = "TcpOptions4", .six = false, .tcp_options = 5, .padding = 3},
        {.name = "Plain6", .six = true},
        {.name = "Padded6", .six = true, .padding = 9},
        {.name = "TwoTags6", .six = true, .tags = 2},
        {.name = "TcpOptions6", .six = true, .tcp_options = 10},
        {.name = "Extension6", .six = true, .extensions = 1},
        {.name = "Extensions6", .six = true, .tcp_options = 5, .extensions = 8},
        {.name = "TagExtensions6", .six = true, .tags = 1, .extensions = 8},
        {.name = "Ppp4", .six = false, .padding = 20, .ppp = 2},
        {.name = "PppIpOptions4", .six = false, .ip_options = 10, .tcp_options = 10, .ppp = 2},
        {.name = "TagsPppCompressed4", .six = false, .tags = 2, .ppp = 1},
        {.name = "Ppp6", .six = true, .tcp_options = 5, .ppp = 2},
        {.name = "FourTagsPpp6", .six = true, .tags = 4, .padding = 9, .ppp = 2},
        {.name = "TagPppExtensions6", .six = true, .tags = 1, .extensions = 8, .ppp = 2},
    };
    return all;
}

namespace {

Packet tagged(Packet packet, std::size_t tags) {
    for (std::size_t i = 0; i < tags; i++) {
        packet.Vlan(static_cast<std::uint16_t>(0xe007 + i), i == 0 ? 0x88a8 : 0x8100);  // priority bits, too
    }
    return packet;
}

Packet in_session(Packet packet, const Shell& shell) {
    if (shell.ppp == 1) {
        packet.PppoeCompressed(shell.six ? 0x57 : 0x21);
    } else if (shell.ppp == 2) {
        packet.Pppoe(shell.six ? 0x0057 : 0x0021);
    }
    return packet;
}

}  // namespace

Packet shell_of(const Shell& shell, Packet frame) {
    return in_session(tagged(std::move(frame), shell.tags), shell);
}

Packet wrapped(const Shell& shell, std::string_view from, std::string_view to) {
    auto packet = shell_of(shell, Eth());
    if (!shell.six) {
        return packet.IPv4(from, to).Options(shell.ip_options);
    }
    packet.IPv6(from, to);
    for (std::size_t i = 0; i < shell.extensions; i++) {
        packet.DestinationOptions(static_cast<std::uint8_t>(i % 4));
    }
    return packet;
}

Packet syn_behind(const Shell& shell, std::string_view from, std::size_t payload) {
    return wrapped(shell, from, shell.six ? mx6 : mx4)
        .Tcp(40001, 25)
        .Syn()
        .Seq(sequence)
        .TcpOptions(shell.tcp_options)
        .Payload(payload)
        .Padding(shell.padding);
}

Bytes reset_of(const Shell& shell, std::string_view from, std::size_t payload) {
    auto packet = shell_of(shell, Packet{}.Eth(subscriber_mac, box_mac));
    if (shell.six) {
        packet.IPv6(mx6, from);
    } else {
        packet.IPv4(mx4, from).DontFragment();
    }
    const auto acknowledged = sequence + 1 + static_cast<std::uint32_t>(payload);
    constexpr std::uint8_t reset_and_ack = 0x14;
    return packet.Tcp(25, 40001).Flags(reset_and_ack).Ack(acknowledged).Window(0).bytes();
}

Bytes prohibition_of(const Bytes& question, const Shell& shell, std::string_view from,
                     std::string_view source) {
    const auto before = shell_of(shell, Eth()).bytes().size();
    const Bytes quote(question.begin() + static_cast<std::ptrdiff_t>(before),
                      question.begin() + static_cast<std::ptrdiff_t>(tcp_behind(shell) + tcp_header));
    auto packet = shell_of(shell, Packet{}.Eth(subscriber_mac, box_mac));
    if (shell.six) {
        packet.IPv6(source, from).Next(IPPROTO_ICMPV6);
    } else {
        packet.IPv4(source, from).DontFragment().Tos(0xc0).Next(IPPROTO_ICMP);
    }
    return packet.Raw(prohibited(quote, shell.six, source, from)).bytes();
}

Bytes completed(const Bytes& question, const Shell& shell) {
    constexpr std::size_t checksum = 16;
    Bytes done = question;
    const auto tcp = std::span(done).subspan(tcp_behind(shell), tcp_header);
    const std::uint16_t check = complement(sum_octets(tcp));
    tcp[checksum] = static_cast<std::uint8_t>(check >> 8);
    tcp[checksum + 1] = static_cast<std::uint8_t>(check);
    return done;
}

std::size_t tcp_behind(const Shell& shell) {
    return wrapped(shell, shell.six ? mx6 : mx4, shell.six ? mx6 : mx4).bytes().size();
}

// Type, code, checksum, unused, the quote: RFC 792, RFC 4443.
Bytes prohibited(const Bytes& quote, bool six, std::string_view from, std::string_view to) {
    Bytes all{
        static_cast<std::uint8_t>(six ? 1 : 3), static_cast<std::uint8_t>(six ? 1 : 13), 0, 0, 0, 0, 0, 0};
    all.insert(all.end(), quote.begin(), quote.end());
    std::uint32_t sum = 0;
    if (six) {
        Bytes pseudo = octets_of(from);
        const Bytes destination = octets_of(to);
        pseudo.insert(pseudo.end(), destination.begin(), destination.end());
        const Bytes rest{0,
                         0,
                         static_cast<std::uint8_t>(all.size() >> 8),
                         static_cast<std::uint8_t>(all.size()),
                         0,
                         0,
                         0,
                         IPPROTO_ICMPV6};
        pseudo.insert(pseudo.end(), rest.begin(), rest.end());
        sum = sum_octets(pseudo);
    }
    const std::uint16_t check = complement(sum_octets(all, sum));
    all[2] = static_cast<std::uint8_t>(check >> 8);
    all[3] = static_cast<std::uint8_t>(check);
    return all;
}

}  // namespace sekisho::bpftest
