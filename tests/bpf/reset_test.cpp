// SPDX-License-Identifier: Apache-2.0
// The answer, octet by octet: the expected frame is built by the tests' own packet builder. And who gets
// none.
#include <sched.h>

#include <array>
#include <cstdio>

#include "tests/bpf/cases.h"
#include "tests/bpf/shells.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t fin = 0x01;
constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t rst = 0x04;
constexpr std::uint8_t psh = 0x08;
constexpr std::uint8_t ack = 0x10;
constexpr std::uint32_t seq_of_syn = 0xfffffff0;  // so that sums run over

// What the answer says in its TCP header.
struct Answer {
    std::uint32_t seq;
    std::uint32_t ack;
    std::uint8_t flags;
};

struct Segment {
    std::string name;
    std::uint8_t flags;
    std::size_t payload;
    Answer answer;
};

const std::vector<Segment>& segments() {
    static const std::vector<Segment> all{
        {"Syn", syn, 0, {0, 0xfffffff1, rst | ack}},
        {"SynPayload", syn, 100, {0, 0x55, rst | ack}},
        {"SynFin", syn | fin, 0, {0, 0xfffffff2, rst | ack}},
        {"SynOddPayload", syn | psh, 15, {0, 0, rst | ack}},
        {"Fin", fin, 0, {0, 0xfffffff1, rst | ack}},
        {"NoFlags", 0, 7, {0, 0xfffffff7, rst | ack}},
        {"Ack", ack, 0, {0x89abcdef, 0, rst}},
        {"AckData", psh | ack, 1000, {0x89abcdef, 0, rst}},
        {"FinAck", fin | ack, 0, {0x89abcdef, 0, rst}},
        {"SynAck", syn | ack, 0, {0x89abcdef, 0, rst}},
    };
    return all;
}

Bytes question(const Segment& segment, const Shell& shell) {
    return wrapped(shell, shell.six ? reset6 : reset4, shell.six ? mx6 : mx4)
        .Tcp(40001, 25)
        .Flags(segment.flags)
        .Seq(seq_of_syn)
        .Ack(0x89abcdef)
        .TcpOptions(shell.tcp_options)
        .Payload(segment.payload)
        .Padding(shell.padding)
        .bytes();
}

Bytes expected(const Answer& answer, const Shell& shell) {
    auto packet = shell_of(shell, Packet{}.Eth(subscriber_mac, box_mac));
    if (shell.six) {
        packet.IPv6(mx6, reset6);
    } else {
        packet.IPv4(mx4, reset4).DontFragment();
    }
    return packet.Tcp(25, 40001).Flags(answer.flags).Seq(answer.seq).Ack(answer.ack).Window(0).bytes();
}

class Reset : public testing::TestWithParam<std::tuple<Kind, Segment, Shell>> {
protected:
    void SetUp() override { fresh_table(); }
};

std::string reset_name(const testing::TestParamInfo<Reset::ParamType>& info) {
    const auto& [kind, segment, shell] = info.param;
    return name(kind) + "_" + segment.name + "_" + shell.name;
}

TEST_P(Reset, Octets) {
    const auto& [kind, segment, shell] = GetParam();
    const auto outcome = Programs::get().run(kind, question(segment, shell));
    EXPECT_EQ(outcome.fate, Fate::answered);
    EXPECT_EQ(outcome.frame, expected(segment.answer, shell));
}

INSTANTIATE_TEST_SUITE_P(All, Reset,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::ValuesIn(segments()),
                                          testing::ValuesIn(shells())),
                         reset_name);

// A jumbogram (RFC 2675; BIG TCP) of more octets than 16 bits can count: a payload length of 0 says so.
TEST(ResetOfAJumbogram, CountsAllOctets) {
    fresh_table();
    constexpr std::size_t size = 67'000;
    const auto question =
        Eth().IPv6(reset6, mx6).Length(0).Tcp(40001, 25).Flags(syn).Seq(1).Payload(size).bytes();
    const auto outcome = Programs::get().run(Kind::xdp, question);
    EXPECT_EQ(outcome.frame, expected({0, 1 + 1 + size, rst | ack}, {.name = "Plain6", .six = true}));
}

// Another judge: scapy computes the checksums of all answers anew and compares.
TEST(ResetByScapy, ChecksumsAgree) {
    if (std::system("/usr/bin/python3 -c 'import scapy' 2>/dev/null") != 0) {
        GTEST_SKIP() << "Debian's python3-scapy is not installed";
    }
    fresh_table();
    FILE* judge = popen("/usr/bin/python3 " SEKISHO_TEST_DIR "/checksums.py", "w");
    ASSERT_NE(judge, nullptr);
    for (const auto kind : {Kind::xdp, Kind::tc}) {
        for (const auto& segment : segments()) {
            for (const auto& shell : shells()) {
                const auto outcome = Programs::get().run(kind, question(segment, shell));
                for (const auto octet : outcome.frame) {
                    fprintf(judge, "%02x", octet);
                }
                fputc('\n', judge);
            }
        }
    }
    EXPECT_EQ(pclose(judge), 0) << "scapy computes other checksums";
}

class NoAnswer : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override { fresh_table(); }

    // Blocked in a pool that answers with resets, but silently.
    void expect_silence(const Packet& packet) const {
        auto& programs = Programs::get();
        const auto before = programs.counts()[{SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP}];
        const auto frame = packet.bytes();
        EXPECT_EQ(programs.run(GetParam(), frame).fate, Fate::dropped);
        EXPECT_EQ(programs.counts(), (Counts{{{SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP},
                                              {before.first + 1, before.second + frame.size()}}}));
    }

    void expect_answer(const Packet& packet) const {
        EXPECT_EQ(Programs::get().run(GetParam(), packet.bytes()).fate, Fate::answered);
    }
};

INSTANTIATE_TEST_SUITE_P(Each, NoAnswer, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

TEST_P(NoAnswer, ToResets) {
    for (const std::uint8_t flags : std::array<std::uint8_t, 4>{0x04, 0x14, 0x06, 0x3f}) {
        expect_silence(Eth().IPv4(reset4, mx4).Tcp(1, 25).Flags(flags));
        expect_silence(Eth().IPv6(reset6, mx6).Tcp(1, 25).Flags(flags));
    }
}

TEST_P(NoAnswer, ToMulticastOrForeignMacs) {
    for (const Bytes& mac :
         {Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Bytes{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01},
          Bytes{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}, Bytes{0x02, 0x00, 0x5e, 0x00, 0x53, 0x03},
          Bytes{0x03, 0x00, 0x5e, 0x00, 0x53, 0x02}, Bytes{0x02, 0x01, 0x5e, 0x00, 0x53, 0x02}}) {
        expect_silence(Packet{}.Eth(mac, subscriber_mac).IPv4(reset4, mx4).Tcp(1, 25).Syn());
        expect_silence(Packet{}.Eth(mac, subscriber_mac).IPv6(reset6, mx6).Tcp(1, 25).Syn());
    }
}

TEST_P(NoAnswer, ABridgeAnswersForeignButNotMulticastMacs) {
    sekisho_interface bridge{};
    bridge.any_mac = 1;
    Programs::get().put_interface(1, bridge);
    const Bytes foreign{0x02, 0x00, 0x5e, 0x00, 0x53, 0x03};
    const Bytes multicast{0x33, 0x33, 0x00, 0x00, 0x00, 0x01};
    expect_silence(Packet{}.Eth(multicast, subscriber_mac).IPv6(reset6, mx6).Tcp(1, 25).Syn());
    expect_answer(Packet{}.Eth(foreign, subscriber_mac).IPv4(reset4, mx4).Tcp(1, 25).Syn());
}

// What would be answered goes to where the frame says it came from: that must not be a whole network.
TEST_P(NoAnswer, FromMulticastMacs) {
    for (const Bytes& mac :
         {Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Bytes{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}}) {
        expect_silence(Packet{}.Eth(box_mac, mac).IPv4(reset4, mx4).Tcp(1, 25).Syn());
        expect_silence(Packet{}.Eth(box_mac, mac).IPv6(reset6, mx6).Tcp(1, 25).Syn());
    }
}

TEST_P(NoAnswer, ToGroups) {
    for (const auto* address : {"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "0.0.0.0"}) {
        expect_silence(Eth().IPv4(reset4, address).Tcp(1, 25).Syn());
    }
    for (const auto* address : {"ff02::1", "ff0e::25", "::"}) {
        expect_silence(Eth().IPv6(reset6, address).Tcp(1, 25).Syn());
    }
}

// A pool may be as wide as the whole Internet; nobody is there to be answered at these addresses.
TEST_P(NoAnswer, FromGroups) {
    const Policy everybody{
        .pools = {{.prefix = "0.0.0.0/0", .action = SEKISHO_RESET, .key_bits = 32, .hashed = true},
                  {.prefix = "::/0", .action = SEKISHO_RESET, .key_bits = 64, .hashed = true}},
        .designated = {}};
    Programs::get().table() = HandTable(everybody).data();
    for (const auto* address : {"224.0.0.1", "255.255.255.255", "0.0.0.0"}) {
        expect_silence(Eth().IPv4(address, mx4).Tcp(1, 25).Syn());
    }
    for (const auto* address : {"ff02::1", "::"}) {
        expect_silence(Eth().IPv6(address, mx6).Tcp(1, 25).Syn());
    }
    expect_answer(Eth().IPv4("223.255.255.255", mx4).Tcp(1, 25).Syn());
    expect_answer(Eth().IPv6("::1:0:0:1", mx6).Tcp(1, 25).Syn());
}

TEST_P(NoAnswer, OnAnUnknownInterface) {
    Programs::get().remove_interface(1);
    expect_silence(Eth().IPv4(reset4, mx4).Tcp(1, 25).Syn());
}

TEST_P(NoAnswer, BeyondTheLimitOfThisCpu) {
    cpu_set_t before;
    cpu_set_t one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    auto& programs = Programs::get();
    programs.table().answers_per_second = 3;
    const auto frame = Eth().IPv4(reset4, mx4).Tcp(1, 25).Syn().bytes();
    for (int second = 0; second < 2; second++) {
        std::vector<Fate> fates;
        fates.reserve(5);
        programs.renew_limiters();
        for (int i = 0; i < 5; i++) {
            fates.push_back(programs.run(GetParam(), frame).fate);
        }
        EXPECT_EQ(fates, (std::vector{Fate::answered, Fate::answered, Fate::answered, Fate::dropped,
                                      Fate::dropped}));
    }
    EXPECT_EQ(programs.counts(),
              (Counts{{{SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET}, {6, 6 * frame.size()}},
                      {{SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP}, {4, 4 * frame.size()}}}));
    EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST_P(NoAnswer, WhereNoneAreAllowed) {
    Programs::get().table().answers_per_second = 0;
    expect_silence(Eth().IPv4(reset4, mx4).Tcp(1, 25).Syn());
}

}  // namespace
}  // namespace sekisho::bpftest
