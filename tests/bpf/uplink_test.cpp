// SPDX-License-Identifier: Apache-2.0
// What comes from elsewhere: replies from port 25 to who may not ask there, and mail to subscribers' own
// servers.
#include <tuple>
#include <utility>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr auto fine = SEKISHO_REASON_UPLINK;
constexpr std::uint8_t syn_ack = 0x12;

Packet reply4(std::string_view to, std::string_view from = mx4) {
    return Eth().IPv4(from, to).Tcp(25, 40001).Flags(syn_ack);
}

Packet reply6(std::string_view to, std::string_view from = mx6) {
    return Eth().IPv6(from, to).Tcp(25, 40001).Flags(syn_ack);
}

std::vector<Case> replies() {
    constexpr auto blocked = SEKISHO_REASON_UPLINK_REPLY;
    const auto entry = [](std::string_view address, int bits, std::uint8_t flags,
                          std::int64_t seconds = 600) {
        return std::vector<Known>{
            {.address = std::string(address), .key_bits = bits, .flags = flags, .seconds = seconds}};
    };
    return {
        {"Reply4", reply4(reset4), blocked, SEKISHO_DROP},
        {"Reply6", reply6(reset6), blocked, SEKISHO_DROP},
        {"ReplyData", reply4(drop4).Payload(100), blocked, SEKISHO_DROP},
        {"ReplyBehindTag", Eth().Vlan(7).IPv6(mx6, drop6).Tcp(25, 1).Flags(syn_ack), blocked, SEKISHO_DROP},
        {"ReplyInSession", Eth().Pppoe(0x0021).IPv4(mx4, drop4).Tcp(25, 1).Flags(syn_ack), blocked,
         SEKISHO_DROP},
        {"ReplyMonitored", reply4(monitor4), blocked, SEKISHO_MONITOR},
        {"ReplyToAnInfected", reply4(drop4), blocked, SEKISHO_DROP,
         entry(drop4, 32, SEKISHO_ENTRY_QUARANTINE | SEKISHO_ENTRY_EXEMPT)},
        {"ReplyAfterTheEnd", reply4(drop4), blocked, SEKISHO_DROP, entry(drop4, 32, SEKISHO_ENTRY_GRANT, -1)},
        {"ReplyNearGranted4", reply4(drop4), fine, SEKISHO_PASS, entry(drop4, 32, SEKISHO_ENTRY_GRANT)},
        {"ReplyNearGranted6", reply6(drop6), fine, SEKISHO_PASS, entry(drop6, 56, SEKISHO_ENTRY_GRANT)},
        {"ReplyNearExempt", reply6(exempt6), fine, SEKISHO_PASS},
        {"ReplyNearDesignated4", reply4(reset4, designated4), fine, SEKISHO_PASS},
        {"ReplyNearDesignated6", reply6(reset6, designated6), fine, SEKISHO_PASS},
        {"ReplyNearStranger", reply4(stranger4), fine, SEKISHO_PASS},
        {"ReplyNearOtherPort", Eth().IPv4(mx4, reset4).Tcp(443, 40001).Flags(syn_ack), fine, SEKISHO_PASS},
        {"ReplyNearUdp", Eth().IPv4(mx4, reset4).Udp(25, 40001), fine, SEKISHO_PASS},
        {"ReplyNearMalformed", Eth().IPv4(mx4, reset4).Tcp(25, 1).DataOffset(4), fine, SEKISHO_PASS},
        {"ReplyNearFragment", Eth().IPv4(mx4, reset4).FragmentAt(2, false).Tcp(25, 1), fine, SEKISHO_PASS},
        {"ReplyNearArp", Eth().Next(0x0806).Payload(28), fine, SEKISHO_PASS},
    };
}

std::vector<Case> inbound() {
    constexpr auto blocked = SEKISHO_REASON_UPLINK_INBOUND;
    const auto to4 = [](std::string_view to, std::string_view from = mx4) {
        return Eth().IPv4(from, to).Tcp(40001, 25).Syn();
    };
    return {
        {"Inbound4", to4(drop4), blocked, SEKISHO_DROP},
        {"Inbound6", Eth().IPv6(mx6, drop6).Tcp(40001, 25).Syn(), blocked, SEKISHO_DROP},
        {"InboundMonitored", to4(monitor4), blocked, SEKISHO_MONITOR},
        {"InboundToAGranted",
         to4(drop4),
         blocked,
         SEKISHO_DROP,
         {{.address = drop4, .flags = SEKISHO_ENTRY_GRANT}}},
        {"InboundFromThePortItself",
         Eth().IPv4(mx4, drop4).Tcp(25, 25).Syn(),
         blocked,
         SEKISHO_DROP,
         {{.address = drop4, .flags = SEKISHO_ENTRY_GRANT}}},
        {"InboundNearExempt",
         to4(drop4),
         fine,
         SEKISHO_PASS,
         {{.address = drop4, .flags = SEKISHO_ENTRY_EXEMPT}}},
        {"InboundNearDesignated", to4(drop4, designated4), fine, SEKISHO_PASS},
        {"InboundNearOpenPool", to4(reset4), fine, SEKISHO_PASS},
        {"InboundNearNoPool", to4(stranger4), fine, SEKISHO_PASS},
        {"InboundNearOtherPort", Eth().IPv4(mx4, drop4).Tcp(40001, 26).Syn(), fine, SEKISHO_PASS},
    };
}

std::vector<Case> foreigners() {
    constexpr auto barred = SEKISHO_REASON_FOREIGN_DYNAMIC;
    const auto to4 = [](std::string_view to, std::string_view from, std::uint16_t port = 40001) {
        return Eth().IPv4(from, to).Tcp(port, 25).Syn();
    };
    return {
        {"ForeignDynamic4", to4(designated4, foreign4), barred, SEKISHO_DROP},
        {"ForeignDynamic6", Eth().IPv6(foreign6, designated6).Tcp(40001, 25).Syn(), barred, SEKISHO_DROP},
        {"ForeignDynamicFromThePortItself", to4(designated4, foreign4, 25), barred, SEKISHO_DROP},
        {"ForeignDynamicNearAMailServer", to4(designated4, mx4), fine, SEKISHO_PASS},
        {"ForeignDynamicNearOpenPool", to4(reset4, foreign4), fine, SEKISHO_PASS},
        {"ForeignDynamicNearReply", Eth().IPv4(foreign4, designated4).Tcp(25, 40001).Flags(syn_ack), fine,
         SEKISHO_PASS},
        {"ForeignDynamicNearOtherPort", Eth().IPv4(foreign4, designated4).Tcp(40001, 465).Syn(), fine,
         SEKISHO_PASS},
    };
}

class Uplink : public Judged {
protected:
    static void expect(sekisho_replies replies) {
        const auto& [kind, filler, tested] = GetParam();
        auto& programs = Programs::get();
        auto [reason, verdict] = std::pair(tested.reason, tested.verdict);
        if (replies == SEKISHO_REPLIES_OFF && reason == SEKISHO_REASON_UPLINK_REPLY) {
            std::tie(reason, verdict) = std::pair(fine, SEKISHO_PASS);
        }
        const bool opened = tested.name.starts_with("ReplyNearGranted") || tested.name == "ReplyNearExempt" ||
                            tested.name == "InboundFromThePortItself";
        if (replies == SEKISHO_REPLIES_DESIGNATED && opened) {
            std::tie(reason, verdict) = std::pair(SEKISHO_REASON_UPLINK_REPLY, SEKISHO_DROP);
        }
        programs.table().inbound_replies = replies;
        const auto frame = tested.packet.bytes();
        const auto outcome = programs.run(kind, frame, {}, Role::uplink);
        EXPECT_EQ(outcome.fate, fate_of(verdict));
        EXPECT_EQ(outcome.frame, frame) << "nothing is changed";
        EXPECT_EQ(programs.counts(), once(reason, verdict, frame.size()));
    }
};

TEST_P(Uplink, Verdict) {
    expect(SEKISHO_REPLIES_STRICT);
}

TEST_P(Uplink, WithoutJudgingReplies) {
    expect(SEKISHO_REPLIES_OFF);
}

TEST_P(Uplink, WhereOnlyDesignatedServersMayReply) {
    expect(SEKISHO_REPLIES_DESIGNATED);
}

auto each(std::vector<Case> (*cases)()) {
    return testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Values(by_hand(), by_agent()),
                            testing::ValuesIn(cases()));
}

INSTANTIATE_TEST_SUITE_P(Replies, Uplink, each(replies), name_of);
INSTANTIATE_TEST_SUITE_P(Inbound, Uplink, each(inbound), name_of);
INSTANTIATE_TEST_SUITE_P(ForeignDynamic, Uplink, each(foreigners), name_of);

}  // namespace
}  // namespace sekisho::bpftest
