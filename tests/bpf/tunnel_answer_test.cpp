// SPDX-License-Identifier: Apache-2.0
// Answers to what came in a tunnel, octet by octet: they go back through it. And when there is none.
#include "tests/bpf/cases.h"
#include "tests/bpf/through.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t rst = 0x04;
class ThroughATunnel : public testing::TestWithParam<std::tuple<Kind, Way>> {
protected:
    void SetUp() override {
        fresh_table();
        sekisho_interface interface{};
        std::ranges::copy(box_mac, interface.mac);
        interface.tunnels = 1;
        Programs::get().put_interface(1, interface);
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
    const auto frame = question_through(way, reset4, reset6);
    const auto outcome = Programs::get().run(kind, frame);
    EXPECT_EQ(outcome.fate, Fate::answered);
    EXPECT_EQ(outcome.frame, reset_through(way));
    expect_counted(SEKISHO_RESET, frame);
}

TEST_P(ThroughATunnel, AnIcmpMessageGoesBack) {
    const auto& [kind, way] = GetParam();
    const auto frame = question_through(way, prohibit4, prohibit6);
    const auto outcome = Programs::get().run(kind, frame);
    EXPECT_EQ(outcome.fate, Fate::answered);
    EXPECT_EQ(outcome.frame, prohibition_through(way));
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
