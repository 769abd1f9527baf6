// SPDX-License-Identifier: Apache-2.0
// What becomes of connections that were opened under a grant, and of the grant's budget.
#include <bpf/bpf.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "tests/bpf/connections.h"

namespace sekisho::bpftest {
namespace {

constexpr auto granted = SEKISHO_REASON_GRANTED;
constexpr auto in_flow = SEKISHO_REASON_FLOW;
constexpr auto blocked = SEKISHO_REASON_NOT_GRANTED;
constexpr auto exhausted = SEKISHO_REASON_BUDGET_EXHAUSTED;

class Flows : public Connections {};
INSTANTIATE_TEST_SUITE_P(, Flows, testing::ValuesIn(lines()), line_name);

TEST_P(Flows, AConnectionOutlivesItsGrant) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(entry().flows, 1);
    end_grant();
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(judge(segment(1000, ack).Payload(100)), in_flow);
    EXPECT_EQ(talk(1001), blocked) << "another port";
    EXPECT_EQ(open(1001), blocked);
}

TEST_P(Flows, OnlyTheSameSynIsARepetition) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    end_grant();
    EXPECT_EQ(judge(syn(1000)), in_flow);
    EXPECT_EQ(judge(syn(1000, number + 1)), blocked);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(judge(syn(1000)), blocked) << "the connection is open: nobody repeats its SYN";
}

TEST_P(Flows, TheNextHolderInheritsNothing) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    grant(-1, 1000, generation + 1);
    EXPECT_EQ(talk(1000), blocked);
    sekisho_entry next = entry();
    next.flows = 1;  // of its own
    Programs::get().put_entry(next);
    EXPECT_EQ(talk(1000), blocked);
    EXPECT_EQ(judge(syn(1000)), blocked);
}

TEST_P(Flows, AnEntryThatIsGoneEndsThem) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    ASSERT_TRUE(Programs::get().entries().remove(entry().key));
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, AResetIsTheEnd) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1001), granted);
    end_grant();
    EXPECT_EQ(judge(segment(1000, rst)), in_flow) << "the server must hear of it";
    EXPECT_EQ(entry().flows, 1);
    EXPECT_FALSE(flow(1000));
    EXPECT_EQ(talk(1000), blocked);
    EXPECT_EQ(talk(1001), in_flow);
}

TEST_P(Flows, AFinIsTheBeginningOfTheEnd) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    end_grant();
    EXPECT_EQ(judge(segment(1000, fin)), in_flow);
    EXPECT_EQ(flow(1000)->state, static_cast<std::uint32_t>(SEKISHO_FLOW_CLOSING));
    EXPECT_EQ(talk(1000), in_flow) << "the last acknowledgement";
    sekisho_flow old = *flow(1000);
    old.seen_s -= SEKISHO_FLOW_CLOSING_S + 1;
    put_flow(1000, old);
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, AnIdleOneIsForgotten) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(talk(1000), in_flow);
    end_grant();
    sekisho_flow old = *flow(1000);
    old.seen_s -= 890;
    put_flow(1000, old);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_GT(flow(1000)->seen_s, old.seen_s) << "it was seen";
    old.seen_s -= 20;
    put_flow(1000, old);
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, ASynThatIsNeverAnsweredIsForgottenSoon) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    end_grant();
    sekisho_flow old = *flow(1000);
    old.seen_s -= SEKISHO_FLOW_OPENING_S + 1;
    put_flow(1000, old);
    EXPECT_EQ(judge(syn(1000)), blocked);
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, TheSamePortAgainIsANewConnection) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(judge(syn(1000, 5)), granted);
    EXPECT_EQ(entry().flows, 1);
    EXPECT_EQ(flow(1000)->sequence, 5U);
    EXPECT_EQ(flow(1000)->state, static_cast<std::uint32_t>(SEKISHO_FLOW_OPENING));
    EXPECT_EQ(entry().budget_left, 998);
}

TEST_P(Flows, SegmentsOfUnknownConnectionsPassWhileTheGrantLives) {
    grant(600);
    EXPECT_EQ(talk(1000), granted) << "it was opened before anybody recorded it";
    EXPECT_EQ(entry().budget_left, 1000);
    EXPECT_EQ(entry().flows, 0);
    end_grant();
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, SoManyAtOnceAndNoMore) {
    Programs::get().table().flow_limit = 2;
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1001), granted);
    EXPECT_EQ(open(1002), SEKISHO_REASON_TOO_MANY_FLOWS);
    EXPECT_EQ(entry().budget_left, 998) << "what was refused costs nothing";
    EXPECT_EQ(entry().flows, 2);
    EXPECT_EQ(judge(segment(1000, rst)), in_flow);
    EXPECT_EQ(open(1002), granted);
    EXPECT_TRUE(events().empty());
}

TEST_P(Flows, NoneIsRecordedIfNoneIsWanted) {
    Programs::get().table().flow_limit = 0;
    grant(600);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(entry().flows, 0);
    EXPECT_EQ(entry().budget_left, 999);
    end_grant();
    EXPECT_EQ(talk(1000), blocked);
}

TEST_P(Flows, AnExemptSubscriberNeedsNone) {
    grant(600);
    sekisho_entry both = entry();
    both.flags |= SEKISHO_ENTRY_EXEMPT;
    Programs::get().put_entry(both);
    EXPECT_EQ(open(1000), SEKISHO_REASON_EXEMPT);
    EXPECT_EQ(entry().flows, 0);
    EXPECT_EQ(entry().budget_left, 1000);
}

TEST_P(Flows, AQuarantineEndsThem) {
    grant(600);
    EXPECT_EQ(open(1000), granted);
    sekisho_entry ill = entry();
    ill.flags |= SEKISHO_ENTRY_QUARANTINE;
    Programs::get().put_entry(ill);
    EXPECT_EQ(talk(1000), SEKISHO_REASON_QUARANTINED);
}

TEST_P(Flows, RepliesPassAsLongAsTheConnection) {
    const Line& line = GetParam();
    if (line.tunnel || line.blocked == SEKISHO_MONITOR) {
        GTEST_SKIP()
            << "the uplink side looks into no tunnel, and drops nothing of a pool that only monitors";
    }
    Programs::get().table().inbound_replies = 1;
    const auto reply = [&line](std::uint16_t port) {
        Packet packet = Eth();
        if (std::string_view(line.source).find(':') != std::string_view::npos) {
            packet.IPv6(line.destination, line.source);
        } else {
            packet.IPv4(line.destination, line.source);
        }
        return packet.Tcp(25, port).Flags(0x12);
    };
    grant(600);
    EXPECT_EQ(open(1000), granted);
    end_grant();
    EXPECT_EQ(judge(reply(1000), Role::uplink), SEKISHO_REASON_UPLINK);
    EXPECT_EQ(judge(reply(1001), Role::uplink), SEKISHO_REASON_UPLINK_REPLY);
    EXPECT_EQ(entry().budget_left, 999);
}

class Budget : public Connections {
protected:
    // Opens so many connections, on one CPU.
    void knock(unsigned cpu, std::uint16_t first, int count) const {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(cpu % std::thread::hardware_concurrency(), &cpus);
        EXPECT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
        for (int i = 0; i < count; i++) {
            const Bytes frame = syn(static_cast<std::uint16_t>(first + i)).bytes();
            std::ignore = Programs::get().run(GetParam().kind, frame);
        }
    }
};
INSTANTIATE_TEST_SUITE_P(, Budget, testing::ValuesIn(lines()), line_name);

TEST_P(Budget, IsCountedDownAndThenNothingOpens) {
    grant(600, 3);
    for (std::uint16_t port = 1000; port < 1003; port++) {
        EXPECT_EQ(open(port), granted);
    }
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(open(1003), exhausted);
    EXPECT_EQ(open(1004), exhausted);
    EXPECT_TRUE(entry().flags & SEKISHO_ENTRY_OVERRUN);
    const auto told = events();
    ASSERT_EQ(told.size(), 1U) << "once";
    EXPECT_EQ(told[0].kind, static_cast<std::uint16_t>(SEKISHO_EVENT_OVERRUN));
    EXPECT_EQ(told[0].generation, generation);
    EXPECT_EQ(told[0].key_bits, GetParam().key_bits);
    EXPECT_TRUE(std::ranges::equal(told[0].key.bytes, entry().key.bytes));
    EXPECT_EQ(talk(1002), in_flow) << "what is open goes on";
    EXPECT_EQ(entry().flows, 3);
}

TEST_P(Budget, ARepeatedSynCostsNothing) {
    grant(600, 2);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1000), in_flow);
    EXPECT_EQ(open(1000), in_flow);
    EXPECT_EQ(entry().budget_left, 1);
}

TEST_P(Budget, NoneMeansAnyNumber) {
    grant(600, 0);
    sekisho_entry free = entry();
    free.flags |= SEKISHO_ENTRY_UNLIMITED;
    Programs::get().put_entry(free);
    for (std::uint16_t port = 1000; port < 1100; port++) {
        EXPECT_EQ(open(port), granted);
    }
    EXPECT_EQ(entry().budget_left, 0);
}

TEST_P(Budget, SoManyInAWindowAndNoMore) {
    sekisho_table& table = Programs::get().table();
    table.window_s = 3600;
    table.window_limit = 2;
    grant(600);
    const auto window = [] { return static_cast<std::uint32_t>(boottime() / 1'000'000'000 / 3600 & 0xffff); };
    const std::uint32_t now = window();
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1001), granted);
    const auto third = open(1002);
    if (window() != now) {
        GTEST_SKIP() << "the hour struck meanwhile";
    }
    EXPECT_EQ(third, exhausted);
    EXPECT_EQ(events().size(), 1U);
    EXPECT_EQ(entry().window >> 16, now);
}

TEST_P(Budget, AnotherWindowBeginsAnew) {
    sekisho_table& table = Programs::get().table();
    table.window_s = 3600;
    table.window_limit = 2;
    grant(600);
    sekisho_entry last = entry();
    last.window = (static_cast<std::uint32_t>(boottime() / 1'000'000'000 / 3600 - 1) & 0xffff) << 16 | 2;
    Programs::get().put_entry(last);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(entry().window & 0xffff, 1U);
}

// A table that is full costs nobody a connection.
TEST_P(Budget, AConnectionWithoutRoomPasses) {
    if (GetParam().name != "XdpIPv4" && GetParam().name != "TcIPv6") {
        GTEST_SKIP() << "filling the table takes a while";
    }
    const int map = Programs::get().map("sekisho_flows");
    bpf_map_info info{};
    std::uint32_t length = sizeof(info);
    ASSERT_EQ(bpf_obj_get_info_by_fd(map, &info, &length), 0);
    grant(600, 3);
    EXPECT_EQ(open(999), granted);
    std::vector<sekisho_flow_key> keys(info.max_entries - 1);
    const std::vector<sekisho_flow> values(keys.size());
    for (std::uint32_t i = 0; i < keys.size(); i++) {
        keys[i].source[1] = i;
    }
    auto count = static_cast<std::uint32_t>(keys.size());
    ASSERT_EQ(bpf_map_update_batch(map, keys.data(), values.data(), &count, nullptr), 0);
    EXPECT_EQ(open(1000), SEKISHO_REASON_FLOW_UNRECORDED);
    EXPECT_EQ(entry().flows, 1);
    EXPECT_EQ(entry().budget_left, 1);
    EXPECT_EQ(talk(1000), granted);
    end_grant();
    EXPECT_EQ(talk(999), in_flow) << "what was there stays";
    EXPECT_EQ(talk(1000), SEKISHO_REASON_NOT_GRANTED) << "it ends with its grant";
    count = static_cast<std::uint32_t>(keys.size());
    ASSERT_EQ(bpf_map_delete_batch(map, keys.data(), &count, nullptr), 0);
}

// The same of a window.
TEST_P(Budget, AWindowIsExactUnderTwoCpus) {
    constexpr std::uint32_t limit = 3000;
    constexpr int each = 2500;
    sekisho_table& table = Programs::get().table();
    table.flow_limit = 65'000;
    table.window_s = 3600;
    table.window_limit = limit;
    grant(600, 2 * each);
    sekisho_entry last = entry();  // of the window before, so that both CPUs begin this one
    const auto window = [] { return static_cast<std::uint32_t>(boottime() / 1'000'000'000 / 3600 & 0xffff); };
    const std::uint32_t now = window();
    last.window = ((now - 1) & 0xffff) << 16 | 17;
    Programs::get().put_entry(last);
    std::jthread one([this] { knock(0, 1000, each); });
    std::jthread other([this] { knock(1, 1000 + each, each); });
    one.join();
    other.join();
    if (window() != now) {
        GTEST_SKIP() << "the hour struck meanwhile";
    }
    const Counts counts = Programs::get().counts();
    EXPECT_EQ(counts.at({granted, SEKISHO_PASS}).first, limit);
    EXPECT_EQ(counts.at({exhausted, GetParam().blocked}).first, 2U * each - limit);
    EXPECT_EQ(events().size(), 1U);
}

// Two CPUs at once, and the agent renewing between them: not one too many, not one too few.
TEST_P(Budget, IsExactUnderTwoCpus) {
    constexpr std::int32_t budget = 3000;
    constexpr int each = 2500;
    Programs::get().table().flow_limit = 65'000;
    grant(600, budget);
    std::jthread one([this] { knock(0, 1000, each); });
    std::jthread other([this] { knock(1, 1000 + each, each); });
    for (int i = 0; i < 500; i++) {
        sekisho_entry again = entry();
        again.flags = SEKISHO_ENTRY_GRANT;
        again.expires_ns = boottime() + 600'000'000'000;
        again.budget_left = budget;
        EXPECT_EQ(Programs::get().entries().put(again, false), dataplane::EntryTable::Put::changed);
    }
    one.join();
    other.join();
    const Counts counts = Programs::get().counts();
    EXPECT_EQ(counts.at({granted, SEKISHO_PASS}).first, static_cast<std::uint64_t>(budget));
    EXPECT_EQ(counts.at({exhausted, GetParam().blocked}).first,
              static_cast<std::uint64_t>(2 * each - budget));
    EXPECT_EQ(entry().flows, budget);
    EXPECT_EQ(events().size(), 1U);
}

}  // namespace
}  // namespace sekisho::bpftest
