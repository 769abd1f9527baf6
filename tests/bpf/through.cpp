// SPDX-License-Identifier: Apache-2.0
// Packets in packets.
#include "tests/bpf/through.h"

#include <netinet/in.h>

#include "tests/bpf/cases.h"
#include "tests/bpf/shells.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t rst_and_ack = 0x14;
constexpr std::size_t tcp_header = 20;
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;

Packet tunnel(const Way& way, Packet frame, std::string_view line4, std::string_view line6, bool back) {
    auto packet =
        shell_of({.name = {}, .six = way.four_in_six, .tags = way.tags, .ppp = way.ppp}, std::move(frame));
    if (way.four_in_six) {
        packet.IPv6(back ? far6 : line6, back ? line6 : far6);
        if (way.limit) {
            packet.DestinationOptions();
        }
    } else {
        packet.IPv4(back ? far4 : line4, back ? line4 : far4);
    }
    return packet;
}

}  // namespace

const std::vector<Way>& ways() {
    static const std::vector<Way> all{
        {.name = "Plain4In6", .four_in_six = true},
        {.name = "Plain6In4", .four_in_six = false},
        {.name = "Limited4In6", .four_in_six = true, .limit = true},
        {.name = "Tagged4In6", .four_in_six = true, .tags = 1},
        {.name = "TaggedFourTimes6In4", .four_in_six = false, .tags = 4},
        {.name = "InSession4In6", .four_in_six = true, .ppp = 2},
        {.name = "InSession6In4", .four_in_six = false, .ppp = 2},
        {.name = "InSessionInOneOctet4In6", .four_in_six = true, .ppp = 1, .limit = true},
        {.name = "TcpOptions4In6", .four_in_six = true, .tcp_options = 5},
        {.name = "Payload4In6", .four_in_six = true, .payload = 1000},
        {.name = "OddPayload6In4", .four_in_six = false, .payload = 15, .padding = 3},
        {.name = "Tagged6In4Payload", .four_in_six = false, .tags = 2, .tcp_options = 10, .payload = 701},
    };
    return all;
}

Bytes question_through(const Way& way, std::string_view line4, std::string_view line6) {
    auto packet = tunnel(way, Eth(), line4, line6, false);
    if (way.four_in_six) {
        packet.IPv4(private4, mx4);
    } else {
        packet.IPv6(home6, mx6);
    }
    return packet.Tcp(40001, 25)
        .Syn()
        .Seq(0xfffffff0)
        .TcpOptions(way.tcp_options)
        .Payload(way.payload)
        .Padding(way.padding)
        .bytes();
}

Bytes reset_through(const Way& way) {
    auto back = tunnel(way, Packet{}.Eth(subscriber_mac, box_mac), reset4, reset6, true);
    if (way.four_in_six) {
        back.IPv4(mx4, private4).DontFragment();
    } else {
        back.IPv6(mx6, home6);
    }
    const auto number = static_cast<std::uint32_t>(0xfffffff1 + way.payload);
    return back.Tcp(25, 40001).Flags(rst_and_ack).Seq(0).Ack(number).Window(0).bytes();
}

Bytes prohibition_through(const Way& way) {
    const Bytes question = question_through(way, prohibit4, prohibit6);
    const auto before = tunnel(way, Eth(), prohibit4, prohibit6, false).bytes().size();
    const std::size_t quoted = (way.four_in_six ? ipv4_header : ipv6_header) + tcp_header;
    const auto begin = question.begin() + static_cast<std::ptrdiff_t>(before);
    const Bytes quote(begin, begin + static_cast<std::ptrdiff_t>(quoted));
    auto back = tunnel(way, Packet{}.Eth(subscriber_mac, box_mac), prohibit4, prohibit6, true);
    if (way.four_in_six) {
        back.IPv4(mx4, private4).DontFragment().Tos(0xc0).Next(IPPROTO_ICMP);
        back.Raw(prohibited(quote, false, mx4, private4));
    } else {
        back.IPv6(mx6, home6).Next(IPPROTO_ICMPV6).Raw(prohibited(quote, true, mx6, home6));
    }
    return back.bytes();
}

}  // namespace sekisho::bpftest
