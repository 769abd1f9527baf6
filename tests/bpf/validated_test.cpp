// SPDX-License-Identifier: Apache-2.0
// The programs that validate sources (BCP 38): whatever the packet is, its source lies in a pool or it is
// dropped.
#include <netinet/in.h>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

class Validated : public testing::TestWithParam<Kind> {
protected:
    void expect(const Packet& packet, sekisho_reason reason, sekisho_verdict verdict) const {
        fresh_table();
        const auto& programs = Programs::get();
        const auto frame = packet.bytes();
        EXPECT_EQ(programs.run(GetParam(), frame, {}, Role::validated).fate, fate_of(verdict));
        EXPECT_EQ(programs.counts(), once(reason, verdict, frame.size()));
    }

    void expect_invalid(const Packet& packet) const {
        expect(packet, SEKISHO_REASON_SOURCE_INVALID, SEKISHO_DROP);
    }
};

INSTANTIATE_TEST_SUITE_P(Each, Validated, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

TEST_P(Validated, SourcesInNoPoolAreDroppedWhateverTheyCarry) {
    expect_invalid(Eth().IPv4(stranger4, mx4).Tcp(1, 443).Syn());
    expect_invalid(Eth().IPv4(stranger4, designated4).Tcp(1, 25).Syn());
    expect_invalid(Eth().IPv4(stranger4, mx4).Udp(53, 53));
    expect_invalid(Eth().IPv4(stranger4, mx4).Next(IPPROTO_ICMP).Payload(8));
    expect_invalid(Eth().IPv4(stranger4, mx4).FragmentAt(100, false).Payload(8));
    expect_invalid(Eth().IPv4(stranger4, mx4).IPv6(reset6, mx6).Tcp(1, 25));
    expect_invalid(Eth().IPv4(stranger4, mx4).Tcp(1, 25).DataOffset(4));
    expect_invalid(Eth().Vlan(7).Pppoe(0x0021).IPv4(stranger4, mx4).Udp(1, 2));
    expect_invalid(Eth().Mpls(16).IPv6(stranger6, mx6).Udp(1, 2));
    expect_invalid(Eth().IPv6(stranger6, mx6).HopByHop().Udp(1, 2));
    expect_invalid(Eth().IPv6("ff02::1", mx6).Udp(1, 2));
    expect_invalid(Eth().IPv4("255.255.255.255", mx4).Udp(1, 2));
}

TEST_P(Validated, AllOthersAreJudgedAsEver) {
    expect(Eth().IPv4(reset4, mx4).Udp(53, 53), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS);
    expect(Eth().IPv6(drop6, mx6).Tcp(1, 443).Syn(), SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS);
    expect(Eth().IPv4(drop4, mx4).Tcp(1, 25).Syn(), SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP);
    expect(Eth().IPv4(monitor4, mx4).Tcp(1, 25).Syn(), SEKISHO_REASON_NOT_GRANTED, SEKISHO_MONITOR);
    expect(Eth().Next(0x0806).Payload(28), SEKISHO_REASON_NOT_IP, SEKISHO_PASS);
    expect(Eth().IPv4(stranger4, mx4).Length(60).Udp(1, 2), SEKISHO_REASON_IPV4_MALFORMED, SEKISHO_DROP);
}

// DHCP, duplicate address detection, neighbour discovery.
TEST_P(Validated, WhoHasNoAddressYetPasses) {
    expect(Eth().IPv4("0.0.0.0", "255.255.255.255").Udp(68, 67), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS);
    expect(Eth().IPv6("::", "ff02::1:ff00:7").Next(IPPROTO_ICMPV6).Payload(24), SEKISHO_REASON_NOT_TCP,
           SEKISHO_PASS);
    expect(Eth().IPv6("fe80::7", "ff02::2").Next(IPPROTO_ICMPV6).Payload(8), SEKISHO_REASON_NOT_TCP,
           SEKISHO_PASS);
    expect(Eth().IPv6("febf:ffff::7", "ff02::1:2").Udp(546, 547), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS);
    expect_invalid(Eth().IPv6("fec0::7", "ff02::1:2").Udp(546, 547));
    expect_invalid(Eth().IPv6("fe7f::7", "ff02::1:2").Udp(546, 547));
}

}  // namespace
}  // namespace sekisho::bpftest
