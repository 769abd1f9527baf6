// SPDX-License-Identifier: Apache-2.0
// ICMP answers, octet by octet, and a real client's errno.
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "tests/bpf/cases.h"
#include "tests/bpf/conversation.h"
#include "tests/bpf/shells.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t tcp_header = 20;

Bytes question(const Shell& shell, std::size_t payload) {
    return wrapped(shell, shell.six ? prohibit6 : prohibit4, shell.six ? mx6 : mx4)
        .Tcp(40001, 25)
        .Syn()
        .Seq(99)
        .TcpOptions(shell.tcp_options)
        .Payload(payload)
        .Padding(shell.padding)
        .bytes();
}

Bytes expected(const Bytes& question, const Shell& shell, std::string_view source) {
    const std::string_view line = shell.six ? prohibit6 : prohibit4;
    const auto before = shell_of(shell, Eth()).bytes().size();
    const auto headers = wrapped(shell, line, shell.six ? mx6 : mx4).bytes().size();
    const Bytes quote(question.begin() + static_cast<std::ptrdiff_t>(before),
                      question.begin() + static_cast<std::ptrdiff_t>(headers + tcp_header));
    auto packet = shell_of(shell, Packet{}.Eth(subscriber_mac, box_mac));
    if (shell.six) {
        packet.IPv6(source, line).Next(IPPROTO_ICMPV6);
    } else {
        packet.IPv4(source, line).DontFragment().Tos(0xc0).Next(IPPROTO_ICMP);
    }
    return packet.Raw(prohibited(quote, shell.six, source, line)).bytes();
}

class Prohibit : public testing::TestWithParam<std::tuple<Kind, Shell>> {
protected:
    void SetUp() override { fresh_table(); }
};

TEST_P(Prohibit, Octets) {
    const auto& [kind, shell] = GetParam();
    for (const std::size_t payload : {0U, 1U, 1000U}) {
        const auto asked = question(shell, payload);
        const auto outcome = Programs::get().run(kind, asked);
        EXPECT_EQ(outcome.fate, Fate::answered);
        EXPECT_EQ(outcome.frame, expected(asked, shell, shell.six ? mx6 : mx4)) << payload;
    }
}

TEST_P(Prohibit, FromAnAddressOfTheBox) {
    const auto& [kind, shell] = GetParam();
    auto& table = Programs::get().table();
    const auto four = octets_of("192.0.2.1");
    const auto six = octets_of("2001:db8::1");
    std::memcpy(&table.icmp_source4, four.data(), four.size());
    std::memcpy(table.icmp_source6, six.data(), six.size());
    const auto asked = question(shell, 0);
    EXPECT_EQ(Programs::get().run(kind, asked).frame,
              expected(asked, shell, shell.six ? "2001:db8::1" : "192.0.2.1"));
}

std::string shell_name(const testing::TestParamInfo<Prohibit::ParamType>& info) {
    return name(std::get<Kind>(info.param)) + "_" + std::get<Shell>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(All, Prohibit,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::ValuesIn(shells())),
                         shell_name);

class ProhibitNobody : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override { fresh_table(); }

    void expect_silence(const Packet& packet) const {
        auto& programs = Programs::get();
        programs.clear_counts();
        const Bytes frame = packet.bytes();
        EXPECT_EQ(programs.run(GetParam(), frame).fate, Fate::dropped);
        EXPECT_EQ(programs.counts(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP, frame.size()));
    }
};

INSTANTIATE_TEST_SUITE_P(Each, ProhibitNobody, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

// RFC 1812, 4.3.2.7 and RFC 4443, 2.4 (e).
TEST_P(ProhibitNobody, WhereNoMessageMayGo) {
    const auto syn = [](Packet packet) { return packet.Tcp(1, 25).Syn(); };
    const Bytes broadcast(6, 0xff);
    expect_silence(syn(Packet{}.Eth(broadcast, subscriber_mac).IPv4(prohibit4, mx4)));
    expect_silence(syn(Packet{}.Eth(box_mac, broadcast).IPv6(prohibit6, mx6)));
    expect_silence(syn(Eth().IPv4(prohibit4, "224.0.0.1")));
    expect_silence(syn(Eth().IPv6(prohibit6, "ff02::1")));
    expect_silence(syn(Eth().IPv4(prohibit4, "255.255.255.255")));
    expect_silence(syn(Eth().Mpls(16).IPv4(prohibit4, mx4)));
    expect_silence(Eth().IPv4(prohibit4, mx4).Tcp(1, 25).Flags(0x04));
}

// What would have to be quoted is longer than anything a sender needs.
TEST_P(ProhibitNobody, BehindAnEndlessChain) {
    expect_silence(Eth().IPv6(prohibit6, mx6).DestinationOptions(30).Tcp(1, 25).Syn());
    EXPECT_EQ(Programs::get()
                  .run(GetParam(), Eth().IPv6(prohibit6, mx6).DestinationOptions(23).Tcp(1, 25).Syn().bytes())
                  .fate,
              Fate::answered);
}

TEST_P(ProhibitNobody, BeyondTheLimit) {
    Programs::get().table().answers_per_second = 0;
    expect_silence(Eth().IPv4(prohibit4, mx4).Tcp(1, 25).Syn());
}

// A Linux client: subscriber and box with checksums completed by the stack, or left to the device, which over
// a veth nobody completes.
class ProhibitClient : public testing::TestWithParam<std::tuple<Kind, bool, bool>> {};

TEST_P(ProhibitClient, ReadsItsErrno) {
    const auto [kind, six, offload] = GetParam();
    fresh_table();
    auto& table = Programs::get().table();
    for (auto& segment : table.segments) {  // the wire's subscriber lives in a pool that resets
        if (segment.action == SEKISHO_RESET) {
            segment.action = SEKISHO_PROHIBIT;
        }
    }
    static const Wire tc(Kind::tc);
    static const Wire xdp(Kind::xdp);
    static const bool numbered = (tc.number(), xdp.number(), true);
    ASSERT_TRUE(numbered);
    const auto& wire = kind == Kind::tc ? tc : xdp;
    wire.introduce();
    wire.offload(wire.subscriber(), "sub0", offload);
    wire.offload(wire.box(), "edge0", offload);
    const auto began = std::chrono::steady_clock::now();
    wire.subscriber().inside([family6 = six] {
        const auto* to = family6 ? mx6 : mx4;
        const auto socket = tcp_socket(to);
        EXPECT_EQ(connect_to(socket, to, 25), family6 ? EACCES : EHOSTUNREACH);
    });
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
    EXPECT_GE((Programs::get().counts()[{SEKISHO_REASON_NOT_GRANTED, SEKISHO_PROHIBIT}].first), 1);
}

INSTANTIATE_TEST_SUITE_P(All, ProhibitClient,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Bool(),
                                          testing::Bool()),
                         [](const auto& each) {
                             return name(std::get<0>(each.param)) + (std::get<1>(each.param) ? "_6" : "_4") +
                                    (std::get<2>(each.param) ? "_Partial" : "_Full");
                         });

}  // namespace
}  // namespace sekisho::bpftest
