// SPDX-License-Identifier: Apache-2.0
// Packets in packets, on an interface that inspects tunnels: the subscriber is known by the outer source, the
// rest is what the inner packet says.
#include <netinet/in.h>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr auto blocked = SEKISHO_REASON_NOT_GRANTED;
constexpr auto far6 = "2001:db8:ffff::a";  // the other ends
constexpr auto far4 = "203.0.113.250";
constexpr auto private4 = "10.0.0.2";

Packet four_in_six(std::string_view line = drop6) {
    return Eth().IPv6(line, far6).IPv4(private4, mx4);
}

Packet six_in_four(std::string_view line = drop4) {
    return Eth().IPv4(line, far4).IPv6("2001:db8:77::7", mx6);
}

Packet syn(Packet packet) {
    return packet.Tcp(1024, 25).Syn();
}

std::vector<Case> lines() {
    const Known granted6{.address = drop6, .key_bits = 56, .flags = SEKISHO_ENTRY_GRANT};
    const Known granted4{.address = drop4, .flags = SEKISHO_ENTRY_GRANT};
    const Known inner{.address = reset4, .flags = SEKISHO_ENTRY_GRANT};
    const Known infected6{.address = drop6, .key_bits = 56, .flags = SEKISHO_ENTRY_QUARANTINE};
    return {
        {"NotGranted4In6", syn(four_in_six()), blocked, SEKISHO_DROP},
        {"NotGranted6In4", syn(six_in_four()), blocked, SEKISHO_DROP},
        {"NotGrantedBehindTags", syn(Eth().Vlan(7).Vlan(8).IPv6(drop6, far6).IPv4(private4, mx4)), blocked,
         SEKISHO_DROP},
        {"NotGrantedInSession", syn(Eth().Pppoe(0x0057).IPv6(drop6, far6).IPv4(private4, mx4)), blocked,
         SEKISHO_DROP},
        {"NotGrantedBehindLabels", syn(Eth().Mpls(16).Mpls(17).IPv4(drop4, far4).IPv6(stranger6, mx6)),
         blocked, SEKISHO_DROP},
        {"NotGrantedBehindOptions6", syn(Eth().IPv6(drop6, far6).DestinationOptions().IPv4(private4, mx4)),
         blocked, SEKISHO_DROP},
        {"NotGrantedBehindOptions4", syn(Eth().IPv4(drop4, far4).Options(3).IPv6(stranger6, mx6).HopByHop()),
         blocked, SEKISHO_DROP},
        {"NotGrantedMonitor4In6", syn(four_in_six(monitor6)), blocked, SEKISHO_MONITOR},
        {"NotGrantedMonitor6In4", syn(six_in_four(monitor4)), blocked, SEKISHO_MONITOR},
        {"NotGrantedThoughTheInnerSourceIs",
         syn(Eth().IPv6(drop6, far6).IPv4(reset4, mx4)),
         blocked,
         SEKISHO_DROP,
         {inner}},
        {"Granted4In6", syn(four_in_six()), SEKISHO_REASON_GRANTED, SEKISHO_PASS, {granted6}},
        {"Granted6In4", syn(six_in_four()), SEKISHO_REASON_GRANTED, SEKISHO_PASS, {granted4}},
        {"Exempt4In6", syn(four_in_six(exempt6)), SEKISHO_REASON_EXEMPT, SEKISHO_PASS},
        {"Quarantined4In6", syn(four_in_six()), SEKISHO_REASON_QUARANTINED, SEKISHO_DROP, {infected6}},
        {"Designated4In6", syn(Eth().IPv6(drop6, far6).IPv4(private4, designated4)),
         SEKISHO_REASON_DESIGNATED, SEKISHO_PASS},
        {"Designated6In4", syn(Eth().IPv4(drop4, far4).IPv6(stranger6, designated6)),
         SEKISHO_REASON_DESIGNATED, SEKISHO_PASS},
        {"DesignatedNearTheOtherEnd", syn(Eth().IPv6(drop6, designated6).IPv4(private4, mx4)), blocked,
         SEKISHO_DROP},
        {"NoPool4In6", syn(Eth().IPv6(stranger6, far6).IPv4(reset4, mx4)), SEKISHO_REASON_NO_POOL,
         SEKISHO_PASS},
        {"NoPool6In4", syn(Eth().IPv4(stranger4, far4).IPv6(reset6, mx6)), SEKISHO_REASON_NO_POOL,
         SEKISHO_PASS},
    };
}

std::vector<Case> insides() {
    constexpr auto bad4 = SEKISHO_REASON_IPV4_MALFORMED;
    constexpr auto bad6 = SEKISHO_REASON_IPV6_MALFORMED;
    std::vector<Case> cases{
        {"PortNotEnforced4In6", four_in_six().Tcp(1024, 26).Syn(), SEKISHO_REASON_PORT_NOT_ENFORCED,
         SEKISHO_PASS},
        {"NotTcp6In4", six_in_four().Udp(1024, 25), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"TcpMalformed4In6", syn(four_in_six()).DataOffset(4), SEKISHO_REASON_TCP_MALFORMED, SEKISHO_DROP},
        {"TcpMalformed6In4", six_in_four().Next(IPPROTO_TCP).Payload(19), SEKISHO_REASON_TCP_MALFORMED,
         SEKISHO_DROP},
        {"HeaderChain6In4", six_in_four().Next(60).Payload(7), SEKISHO_REASON_HEADER_CHAIN, SEKISHO_DROP},
        {"Ipv4Malformed4In6", syn(four_in_six().Length(41)), bad4, SEKISHO_DROP},
        {"Ipv4MalformedIntoPadding", syn(four_in_six().Length(41)).Padding(20), bad4, SEKISHO_DROP},
        {"Ipv4MalformedNothing", Eth().IPv6(drop6, far6).Next(IPPROTO_IPIP), bad4, SEKISHO_DROP},
        {"Ipv4MalformedVersion", syn(four_in_six().Version(6)), bad4, SEKISHO_DROP},
        {"Ipv6Malformed6In4", syn(six_in_four().Length(21)), bad6, SEKISHO_DROP},
        {"Ipv6MalformedNearJumbogram", syn(six_in_four().Length(0)), blocked, SEKISHO_DROP},
        {"Tunnel4In4", syn(Eth().IPv4(drop4, far4).IPv4(private4, mx4)), SEKISHO_REASON_TUNNEL, SEKISHO_PASS},
        {"Tunnel6In6", syn(Eth().IPv6(drop6, far6).IPv6(stranger6, mx6)), SEKISHO_REASON_TUNNEL,
         SEKISHO_PASS},
        {"TunnelInTunnel", syn(six_in_four().IPv4(private4, mx4)), SEKISHO_REASON_TUNNEL, SEKISHO_PASS},
    };
    for (std::uint16_t size = 0; size < 40; size++) {
        cases.push_back({"Ipv4MalformedOf" + std::to_string(size),
                         syn(Eth().IPv6(drop6, far6).Length(size).IPv4(private4, mx4)).Truncate(54U + size),
                         bad4, SEKISHO_DROP});
    }
    for (std::uint16_t size = 0; size < 60; size++) {
        const auto total = static_cast<std::uint16_t>(20 + size);
        cases.push_back({"Ipv6MalformedOf" + std::to_string(size),
                         syn(Eth().IPv4(drop4, far4).Length(total).IPv6(stranger6, mx6)).Truncate(34U + size),
                         bad6, SEKISHO_DROP});
    }
    return cases;
}

// DS-Lite's tunnels are fragmented outside (RFC 6333, 5.3): the inner lengths are those of the whole packet.
std::vector<Case> fragments() {
    constexpr auto later = SEKISHO_REASON_LATER_FRAGMENT;
    constexpr auto tiny = SEKISHO_REASON_TINY_FRAGMENT;
    const auto part6 = [](std::uint16_t offset, bool more) {
        return Eth().IPv6(drop6, far6).Fragment(offset, more);
    };
    const auto part4 = [](std::uint16_t offset, bool more) {
        return Eth().IPv4(drop4, far4).FragmentAt(offset, more);
    };
    std::vector<Case> cases{
        {"FirstFragment4In6", syn(part6(0, true).IPv4(private4, mx4).Length(1500)).Payload(100), blocked,
         SEKISHO_DROP},
        {"FirstFragment6In4", syn(part4(0, true).IPv6(stranger6, mx6).Length(1400)).Payload(100), blocked,
         SEKISHO_DROP},
        {"FirstFragmentOtherPort", part6(0, true).IPv4(private4, mx4).Length(1500).Tcp(1024, 443).Payload(99),
         SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS},
        {"FirstFragmentUdp", part4(0, true).IPv6(stranger6, mx6).Length(1400).Udp(53, 53).Payload(100),
         SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"AtomicFragment4In6", syn(part6(0, false).IPv4(private4, mx4)), blocked, SEKISHO_DROP},
        {"LaterFragment4In6", part6(100, true).Next(IPPROTO_IPIP).Payload(64), later, SEKISHO_PASS},
        {"LaterFragment6In4", part4(100, false).Next(IPPROTO_IPV6).Payload(64), later, SEKISHO_PASS},
        {"FragmentAtOne6In4", part4(1, false).Next(IPPROTO_IPV6).Payload(64), SEKISHO_REASON_FRAGMENT_AT_ONE,
         SEKISHO_DROP},
        {"TinyFragment4In6", part6(0, true).IPv4(private4, mx4).Length(1500).Next(IPPROTO_TCP).Payload(19),
         tiny, SEKISHO_DROP},
        {"TinyFragment6In4", part4(0, true).IPv6(stranger6, mx6).Length(1400).Next(IPPROTO_TCP).Payload(12),
         tiny, SEKISHO_DROP},
        {"TinyFragmentChain6In4", part4(0, true).IPv6(stranger6, mx6).Length(1400).Next(60).Payload(4), tiny,
         SEKISHO_DROP},
        {"InnerLaterFragment4In6",
         Eth().IPv6(drop6, far6).IPv4(private4, mx4).FragmentAt(2, false).Tcp(1024, 25), later, SEKISHO_PASS},
        {"InnerFirstFragment6In4", syn(six_in_four().Fragment(0, true)), blocked, SEKISHO_DROP},
        {"InnerFragmentAtOne6In4", six_in_four().Fragment(1, true).Tcp(1024, 25),
         SEKISHO_REASON_FRAGMENT_AT_ONE, SEKISHO_DROP},
    };
    return cases;
}

class Inspected : public Judged {
protected:
    void SetUp() override {
        Judged::SetUp();
        sekisho_interface interface{};
        interface.any_mac = 1;
        interface.tunnels = 1;
        Programs::get().put_interface(1, interface);
    }
};

TEST_P(Inspected, Verdict) {
    judge(std::get<Kind>(GetParam()), std::get<Case>(GetParam()));
}

auto each(std::vector<Case> (*cases)()) {
    return testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Values(by_hand()),
                            testing::ValuesIn(cases()));
}

INSTANTIATE_TEST_SUITE_P(Lines, Inspected, each(lines), name_of);
INSTANTIATE_TEST_SUITE_P(Insides, Inspected, each(insides), name_of);
INSTANTIATE_TEST_SUITE_P(Fragments, Inspected, each(fragments), name_of);

}  // namespace
}  // namespace sekisho::bpftest
