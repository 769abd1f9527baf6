// SPDX-License-Identifier: Apache-2.0
// ICMP answers, octet by octet, and a real client's errno.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "tests/bpf/cases.h"
#include "tests/bpf/conversation.h"
#include "tests/bpf/shells.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {
namespace {

using namespace std::chrono_literals;

std::string_view line_of(const Shell& shell) {
    return shell.six ? prohibit6 : prohibit4;
}

class Prohibit : public testing::TestWithParam<std::tuple<Kind, Shell>> {
protected:
    void SetUp() override { fresh_table(); }
};

TEST_P(Prohibit, Octets) {
    const auto& [kind, shell] = GetParam();
    for (const std::size_t payload : {0U, 1U, 1000U}) {
        const auto asked = syn_behind(shell, line_of(shell), payload).bytes();
        const auto outcome = Programs::get().run(kind, asked);
        EXPECT_EQ(outcome.fate, Fate::answered);
        EXPECT_EQ(outcome.frame, prohibition_of(asked, shell, line_of(shell), shell.six ? mx6 : mx4))
            << payload;
    }
}

TEST_P(Prohibit, FromAnAddressOfTheBox) {
    const auto& [kind, shell] = GetParam();
    auto& table = Programs::get().table();
    const auto four = octets_of("192.0.2.1");
    const auto six = octets_of("2001:db8::1");
    std::memcpy(&table.icmp_source4, four.data(), four.size());
    std::memcpy(table.icmp_source6, six.data(), six.size());
    const auto asked = syn_behind(shell, line_of(shell), 0).bytes();
    EXPECT_EQ(Programs::get().run(kind, asked).frame,
              prohibition_of(asked, shell, line_of(shell), shell.six ? "2001:db8::1" : "192.0.2.1"));
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
// a veth nobody completes. By kind, family, and which interfaces leave checksums to the device.
class ProhibitClient : public testing::TestWithParam<std::tuple<Kind, bool, bool, bool>> {
protected:
    // Answered in turn for the family's subscriber, who lives in a pool that resets.
    static void prohibit_all() {
        for (auto& segment : Programs::get().table().segments) {
            if (segment.action == SEKISHO_RESET) {
                segment.action = SEKISHO_PROHIBIT;
            }
        }
    }

    // The answer quotes the SYN that the client said. Where its checksum was left to the device, TC lets the
    // device complete it over what is quoted, and computes ICMP's as if that had been done; XDP can't know.
    static void expect_octets(const Bytes& said, const Bytes& answer) {
        const auto [kind, six, partial, left] = GetParam();
        const Shell shell{.name = "Plain", .six = six};
        const bool completes = kind == Kind::tc && partial;
        const auto quoted = completes ? completed(said, shell) : said;
        const auto expected = prohibition_of(quoted, shell, six ? reset6 : reset4, six ? mx6 : mx4);
        Bytes read = answer;
        ASSERT_EQ(read.size(), expected.size());
        if (completes && left) {
            std::copy(expected.end() - 4, expected.end() - 2, read.end() - 4);  // as the device would do
        }
        EXPECT_EQ(read, expected);
    }
};

TEST_P(ProhibitClient, ReadsItsErrno) {
    const auto [kind, six, subscriber_offload, box_offload] = GetParam();
    fresh_table();
    prohibit_all();
    static const Wire tc(Kind::tc);
    static const Wire xdp(Kind::xdp);
    static const bool numbered = (tc.number(), xdp.number(), true);
    ASSERT_TRUE(numbered);
    const auto& wire = kind == Kind::tc ? tc : xdp;
    wire.introduce();
    wire.offload(wire.subscriber(), "sub0", subscriber_offload);
    wire.offload(wire.box(), "edge0", box_offload);
    wire.forget_arrived();
    wire.subscriber().inside([family6 = six] {
        const auto* to = family6 ? mx6 : mx4;
        const auto socket = tcp_socket(to);
        EXPECT_EQ(connect_to(socket, to, 25), family6 ? EACCES : EHOSTUNREACH);
    });
    const auto said = wire.said();
    const auto answer = wire.arrived(0ms);
    ASSERT_TRUE(said.has_value() && answer.has_value());
    expect_octets(said.value_or(Bytes{}), answer.value_or(Bytes{}));
    // One that comes while connect() still holds the socket is only noted: the next SYN's is read.
    const auto counts = Programs::get().counts();
    ASSERT_TRUE(counts.contains({SEKISHO_REASON_NOT_GRANTED, SEKISHO_PROHIBIT}));
    EXPECT_LE(not_granted(counts), 2);
}

std::string client_name(const testing::TestParamInfo<ProhibitClient::ParamType>& each) {
    const auto [kind, six, subscriber_offload, box_offload] = each.param;
    return name(kind) + (six ? "_6" : "_4") + (subscriber_offload ? "_PartialIn" : "_FullIn") +
           (box_offload ? "_PartialOut" : "_FullOut");
}

INSTANTIATE_TEST_SUITE_P(All, ProhibitClient,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Bool(),
                                          testing::Bool(), testing::Bool()),
                         client_name);

}  // namespace
}  // namespace sekisho::bpftest
