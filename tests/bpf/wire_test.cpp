// SPDX-License-Identifier: Apache-2.0
// The programs where packets are real: tags in metadata, checksums that the stack left to the device,
// segmentation offload, and TCP clients who must get their refusal at once.
#include "tests/bpf/wire.h"

#include <netinet/in.h>

#include <cerrno>
#include <span>

#include "tests/bpf/cases.h"
#include "tests/bpf/checksum.h"
#include "tests/bpf/conversation.h"

namespace sekisho::bpftest {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t reset_and_ack = 0x14;

// Whether both checksums of a TCP frame without options before TCP are right, judged by their sums alone.
bool sums_up(const Bytes& frame) {
    const bool six = frame.at(12) == 0x86;
    const std::size_t l4 = six ? 54 : 34;
    const std::span all(frame);
    const auto end = six ? frame.size() : std::size_t{14} + std::size_t{frame.at(16)} * 256 + frame.at(17);
    const auto segment = all.subspan(l4, end - l4);
    const auto addresses = six ? all.subspan(22, 32) : all.subspan(26, 8);
    const auto pseudo = sum_octets(addresses, static_cast<std::uint32_t>(segment.size() + IPPROTO_TCP));
    return sum_octets(segment, pseudo) == 0xffff && (six || sum_octets(all.subspan(14, 20)) == 0xffff);
}

// Frames through TC with tags: the kernel takes the outer one into metadata before the program sees the
// frame.
class TagsInMetadata : public testing::Test {
protected:
    void SetUp() override {
        fresh_table();
        wire.introduce();
    }

    static void expect_answer(const Packet& question, const Packet& answer, std::size_t seen) {
        wire.send(question.bytes());
        EXPECT_EQ(wire.arrived(1000ms), answer.bytes());
        EXPECT_EQ(Programs::get().counts(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET, seen));
    }

    static inline const Wire wire{Kind::tc};
};

TEST_F(TagsInMetadata, OneIsKeptInTheAnswer) {
    const auto question = Eth().Vlan(7).IPv4(reset4, mx4).Tcp(1024, 25).Syn().Seq(99);
    expect_answer(question,
                  Packet{}
                      .Eth(subscriber_mac, box_mac)
                      .Vlan(7)
                      .IPv4(mx4, reset4)
                      .DontFragment()
                      .Tcp(25, 1024)
                      .Flags(reset_and_ack)
                      .Ack(100)
                      .Window(0),
                  question.bytes().size() - 4);
}

TEST_F(TagsInMetadata, FourAreKeptInTheAnswer) {
    const auto question =
        Eth().Vlan(7, 0x88a8).Vlan(8).Vlan(9).Vlan(10).IPv6(reset6, mx6).Tcp(1024, 25).Syn().Seq(99);
    expect_answer(question,
                  Packet{}
                      .Eth(subscriber_mac, box_mac)
                      .Vlan(7, 0x88a8)
                      .Vlan(8)
                      .Vlan(9)
                      .Vlan(10)
                      .IPv6(mx6, reset6)
                      .Tcp(25, 1024)
                      .Flags(reset_and_ack)
                      .Ack(100)
                      .Window(0),
                  question.bytes().size() - 4);
}

TEST_F(TagsInMetadata, ASessionIsKeptInTheAnswer) {
    const auto question = Eth().Vlan(7).Vlan(8).Pppoe(0x0021).IPv4(reset4, mx4).Tcp(1024, 25).Syn().Seq(99);
    expect_answer(question,
                  Packet{}
                      .Eth(subscriber_mac, box_mac)
                      .Vlan(7)
                      .Vlan(8)
                      .Pppoe(0x0021)
                      .IPv4(mx4, reset4)
                      .DontFragment()
                      .Tcp(25, 1024)
                      .Flags(reset_and_ack)
                      .Ack(100)
                      .Window(0),
                  question.bytes().size() - 4);
}

TEST_F(TagsInMetadata, OptionsAreTakenOutBehindOne) {
    const auto question = Eth().Vlan(7).IPv4(reset4, mx4).Options(10).Tcp(1024, 25).Syn().Seq(99);
    expect_answer(question,
                  Packet{}
                      .Eth(subscriber_mac, box_mac)
                      .Vlan(7)
                      .IPv4(mx4, reset4)
                      .DontFragment()
                      .Tcp(25, 1024)
                      .Flags(reset_and_ack)
                      .Ack(100)
                      .Window(0),
                  question.bytes().size() - 4);
}

TEST_F(TagsInMetadata, TheFifthIsTooDeep) {
    const auto frame =
        Eth().Vlan(6).Vlan(7).Vlan(8).Vlan(9).Vlan(10).IPv4(reset4, mx4).Tcp(9, 25).Syn().bytes();
    wire.send(frame);
    EXPECT_EQ(Programs::get().counts(), once(SEKISHO_REASON_TAGS_TOO_DEEP, SEKISHO_DROP, frame.size() - 4));
}

// Options that make the IP header longer than the answer's, as a sender may set them.
std::vector<Option> long_options(bool six) {
    if (!six) {
        return {{IPPROTO_IP, IP_OPTIONS, Bytes(36, 1)}};  // no-operations
    }
    Bytes header(256);
    header[1] = 31;  // 256 octets
    header[2] = 1;   // PadN over most, and one more
    header[3] = 250;
    header[254] = 1;
    return {{IPPROTO_IPV6, IPV6_DSTOPTS, header}};
}

// By kind, family, whether with options, and which interfaces leave checksums to the device.
class Refused : public testing::TestWithParam<std::tuple<Kind, bool, bool, bool, bool>> {};

TEST_P(Refused, AtOnce) {
    const auto [kind, six, options, subscriber_offload, box_offload] = GetParam();
    fresh_table();
    static const Wire tc(Kind::tc);
    static const Wire xdp(Kind::xdp);
    static const bool numbered = (tc.number(), xdp.number(), true);
    ASSERT_TRUE(numbered);
    const auto& wire = kind == Kind::tc ? tc : xdp;
    wire.introduce();
    wire.offload(wire.subscriber(), "sub0", subscriber_offload);
    wire.offload(wire.box(), "edge0", box_offload);
    wire.forget_arrived();

    wire.subscriber().inside([&] {
        const auto* to = six ? mx6 : mx4;
        const auto socket = tcp_socket(to, options ? long_options(six) : std::vector<Option>{});
        EXPECT_EQ(connect_to(socket, to, 25), ECONNREFUSED);
    });
    const auto arrived = wire.arrived(0ms);
    ASSERT_TRUE(arrived.has_value());
    const Bytes answer = arrived.value_or(Bytes{});
    EXPECT_EQ(answer.size(), six ? 74 : 54) << "the answer has no options";
    // A partial checksum stays partial as long as no device has to complete it.
    if (kind == Kind::xdp || !subscriber_offload || !box_offload) {
        EXPECT_TRUE(sums_up(answer));
    }
    const auto counts = Programs::get().counts();
    ASSERT_TRUE(counts.contains({SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET}));
    EXPECT_EQ(not_granted(counts), 1) << "one SYN was enough";
}

std::string client_name(const testing::TestParamInfo<Refused::ParamType>& each) {
    const auto [kind, six, options, subscriber_offload, box_offload] = each.param;
    return name(kind) + (six ? "_6" : "_4") + (options ? "_LongOptions" : "") +
           (subscriber_offload ? "_PartialIn" : "_FullIn") + (box_offload ? "_PartialOut" : "_FullOut");
}

INSTANTIATE_TEST_SUITE_P(All, Refused,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Bool(),
                                          testing::Bool(), testing::Bool(), testing::Bool()),
                         client_name);

class Conversations : public testing::TestWithParam<std::tuple<Kind, bool>> {
protected:
    Conversations() : wire_(std::get<Kind>(GetParam())), six_(std::get<bool>(GetParam())) {}

    void SetUp() override {
        fresh_table();
        wire_.introduce();
        wire_.number();
    }

    [[nodiscard]] const char* to() const { return six_ ? mx6 : mx4; }

    // Opens a connection from the subscriber to the box.
    void meet(std::uint16_t port) {
        wire_.box().inside([&] { listener_ = listen_at(to(), port); });
        wire_.subscriber().inside([&] {
            client_ = tcp_socket(to());
            ASSERT_EQ(connect_to(client_, to(), port), 0);
        });
        server_ = accept_from(listener_);
        ASSERT_GE(server_.get(), 0);
    }

    Wire wire_;
    bool six_;
    Socket listener_;
    Socket client_;
    Socket server_;
};

INSTANTIATE_TEST_SUITE_P(All, Conversations,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Bool()),
                         [](const auto& each) {
                             return name(std::get<Kind>(each.param)) +
                                    (std::get<bool>(each.param) ? "_6" : "_4");
                         });

// Offloaded segments of up to 64 KiB show only their headers in their linear part.
TEST_P(Conversations, LargeSegmentsToAnotherPortPass) {
    constexpr std::size_t size = 8U << 20;
    ASSERT_NO_FATAL_FAILURE(meet(26));
    const auto done = transfer(client_, server_, size);
    EXPECT_EQ(done.error, 0);
    EXPECT_EQ(done.right, size);
    const auto passed = Programs::get().counts()[{SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS}];
    EXPECT_GE(passed.second, size);
    if (std::get<Kind>(GetParam()) == Kind::tc) {
        EXPECT_GT(passed.second / passed.first, 10'000) << "no large segments were seen: this proves nothing";
    }
}

// A connection is recorded when it is opened; the end of its grant is no matter to it.
TEST_P(Conversations, GoOnAfterTheEndOfTheirGrant) {
    const auto* from = six_ ? reset6 : reset4;
    const int key_bits = six_ ? 64 : 32;
    const HandTable hand(example_policy());
    const std::function bit_of = [&](std::string_view address) { return hand.bit_of(address); };
    Programs::get().table().flow_limit = 10;
    Programs::get().table().flow_idle_s = 900;
    tell({.address = from, .key_bits = key_bits, .flags = SEKISHO_ENTRY_GRANT}, bit_of);
    ASSERT_NO_FATAL_FAILURE(meet(25));
    sekisho_entry entry = Programs::get().entries().find(key_of(from, key_bits)).value();
    EXPECT_EQ(entry.flows, 1);
    entry.expires_ns = 1;
    Programs::get().put_entry(entry);
    const auto after = transfer(client_, server_, 1U << 20);
    EXPECT_EQ(after.error, 0);
    EXPECT_EQ(after.right, 1U << 20);
}

TEST_P(Conversations, WithoutAFlowTheEndOfAGrantCutsThem) {
    const auto* from = six_ ? reset6 : reset4;
    const int key_bits = six_ ? 64 : 32;
    const HandTable table(example_policy());
    const std::function bit_of = [&](std::string_view address) { return table.bit_of(address); };
    tell({.address = from, .key_bits = key_bits, .flags = SEKISHO_ENTRY_GRANT}, bit_of);
    ASSERT_NO_FATAL_FAILURE(meet(25));
    const auto before = transfer(client_, server_, 1U << 20);
    EXPECT_EQ(before.error, 0);
    tell({.address = from, .key_bits = key_bits, .flags = SEKISHO_ENTRY_GRANT, .seconds = -1}, bit_of);
    const auto after = transfer(client_, server_, 1U << 20);
    EXPECT_EQ(after.error, ECONNRESET);
    EXPECT_EQ(after.right, 0);
}

}  // namespace
}  // namespace sekisho::bpftest
