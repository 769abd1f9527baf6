// SPDX-License-Identifier: Apache-2.0
// Answers to what came in a tunnel, octet by octet: they go back through it. And when there is none.
#include <netinet/in.h>

#include "tests/bpf/cases.h"
#include "tests/bpf/shells.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t rst = 0x04;
constexpr std::uint8_t ack = 0x10;
constexpr std::size_t tcp_header = 20;
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr auto far6 = "2001:db8:ffff::a";  // the tunnels' other ends
constexpr auto far4 = "203.0.113.250";
constexpr auto private4 = "10.0.0.2";
constexpr auto home6 = "2001:db8:77::7";

// How a segment is wrapped.
struct Way {
    std::string name;
    bool four_in_six;
    std::size_t tags = 0;
    std::size_t ppp = 0;
    bool limit = false;  // the option by which Linux limits tunnels in tunnels
    std::size_t tcp_options = 0;
    std::size_t payload = 0;
    std::size_t padding = 0;
};

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

class ThroughATunnel : public testing::TestWithParam<std::tuple<Kind, Way>> {
protected:
    void SetUp() override {
        fresh_table();
        sekisho_interface interface{};
        std::ranges::copy(box_mac, interface.mac);
        interface.tunnels = 1;
        Programs::get().put_interface(1, interface);
    }

    static Packet tunnel(const Way& way, Packet frame, std::string_view line4, std::string_view line6,
                         bool back) {
        auto packet = shell_of({.name = {}, .six = way.four_in_six, .tags = way.tags, .ppp = way.ppp},
                               std::move(frame));
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

    static Packet asked(const Way& way, std::string_view line4, std::string_view line6) {
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
            .Padding(way.padding);
    }

    static void expect_counted(sekisho_verdict verdict, const Bytes& frame) {
        EXPECT_EQ(Programs::get().counts(), once(SEKISHO_REASON_NOT_GRANTED, verdict, frame.size()));
    }
};

std::string way_name(const testing::TestParamInfo<ThroughATunnel::ParamType>& info) {
    return name(std::get<Kind>(info.param)) + "_" + std::get<Way>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(All, ThroughATunnel,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::ValuesIn(ways())),
                         way_name);

TEST_P(ThroughATunnel, AResetGoesBack) {
    const auto& [kind, way] = GetParam();
    const auto frame = asked(way, reset4, reset6).bytes();
    auto back = tunnel(way, Packet{}.Eth(subscriber_mac, box_mac), reset4, reset6, true);
    if (way.four_in_six) {
        back.IPv4(mx4, private4).DontFragment();
    } else {
        back.IPv6(mx6, home6);
    }
    const auto number = static_cast<std::uint32_t>(0xfffffff1 + way.payload);
    back.Tcp(25, 40001).Flags(rst | ack).Seq(0).Ack(number).Window(0);
    const auto outcome = Programs::get().run(kind, frame);
    EXPECT_EQ(outcome.fate, Fate::answered);
    EXPECT_EQ(outcome.frame, back.bytes());
    expect_counted(SEKISHO_RESET, frame);
}

TEST_P(ThroughATunnel, AnIcmpMessageGoesBack) {
    const auto& [kind, way] = GetParam();
    const auto frame = asked(way, prohibit4, prohibit6).bytes();
    const auto before = tunnel(way, Eth(), prohibit4, prohibit6, false).bytes().size();
    const std::size_t quoted = (way.four_in_six ? ipv4_header : ipv6_header) + tcp_header;
    const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(before);
    const Bytes quote(begin, begin + static_cast<std::ptrdiff_t>(quoted));
    auto back = tunnel(way, Packet{}.Eth(subscriber_mac, box_mac), prohibit4, prohibit6, true);
    if (way.four_in_six) {
        back.IPv4(mx4, private4).DontFragment().Tos(0xc0).Next(IPPROTO_ICMP);
        back.Raw(prohibited(quote, false, mx4, private4));
    } else {
        back.IPv6(mx6, home6).Next(IPPROTO_ICMPV6).Raw(prohibited(quote, true, mx6, home6));
    }
    const auto outcome = Programs::get().run(kind, frame);
    EXPECT_EQ(outcome.fate, Fate::answered);
    EXPECT_EQ(outcome.frame, back.bytes());
    expect_counted(SEKISHO_PROHIBIT, frame);
}

class NothingThroughATunnel : public ThroughATunnel {
protected:
    static void expect_silence(const Packet& packet) {
        auto& programs = Programs::get();
        const auto frame = packet.bytes();
        EXPECT_EQ(programs.run(std::get<Kind>(GetParam()), frame).fate, Fate::dropped);
        expect_counted(SEKISHO_DROP, frame);
        programs.clear_counts();
    }
};

INSTANTIATE_TEST_SUITE_P(All, NothingThroughATunnel,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc),
                                          testing::Values(ways().front())),
                         way_name);

TEST_P(NothingThroughATunnel, WhereTheWayBackIsUnknown) {
    const auto syn = [](Packet packet) { return packet.Tcp(1024, 25).Syn(); };
    expect_silence(
        syn(Eth().IPv6(reset6, far6).Fragment(0, true).IPv4(private4, mx4).Length(1500)).Payload(99));
    expect_silence(
        syn(Eth().IPv4(reset4, far4).FragmentAt(0, true).IPv6(home6, mx6).Length(1400)).Payload(99));
    expect_silence(syn(Eth().IPv6(reset6, far6).Routing().IPv4(private4, mx4)));
    expect_silence(syn(Eth().IPv6(reset6, far6).HopByHop().IPv4(private4, mx4)));
    expect_silence(syn(Eth().IPv6(reset6, far6).DestinationOptions(1).IPv4(private4, mx4)));
    expect_silence(
        syn(Eth().IPv6(reset6, far6).DestinationOptions().DestinationOptions().IPv4(private4, mx4)));
    expect_silence(syn(Eth().IPv4(reset4, far4).Options(1).IPv6(home6, mx6)));
    expect_silence(syn(Eth().Mpls(16).IPv6(reset6, far6).IPv4(private4, mx4)));
}

TEST_P(NothingThroughATunnel, ToResetsAndGroups) {
    const auto in_tunnel = [] { return Eth().IPv6(reset6, far6); };
    expect_silence(in_tunnel().IPv4(private4, mx4).Tcp(1024, 25).Flags(rst));
    expect_silence(in_tunnel().IPv4(private4, "224.0.0.5").Tcp(1024, 25).Syn());
    expect_silence(in_tunnel().IPv4("255.255.255.255", mx4).Tcp(1024, 25).Syn());
    expect_silence(Eth().IPv6(reset6, "ff02::1").IPv4(private4, mx4).Tcp(1024, 25).Syn());
    const Bytes other_mac{0x02, 0, 0, 0, 0, 0x77};
    expect_silence(
        Packet{}.Eth(other_mac, subscriber_mac).IPv6(reset6, far6).IPv4(private4, mx4).Tcp(1024, 25).Syn());
}

}  // namespace
}  // namespace sekisho::bpftest
