// SPDX-License-Identifier: Apache-2.0
// What the agent changes while the kernel counts.
#include "tests/bpf/connections.h"

namespace sekisho::bpftest {
namespace {

constexpr auto granted = SEKISHO_REASON_GRANTED;
constexpr auto in_flow = SEKISHO_REASON_FLOW;
constexpr auto blocked = SEKISHO_REASON_NOT_GRANTED;
constexpr auto exhausted = SEKISHO_REASON_BUDGET_EXHAUSTED;

using Put = dataplane::EntryTable::Put;
using Retired = dataplane::EntryTable::Retired;

class Upkeep : public Connections {
protected:
    // Gives a grant as the agent does.
    [[nodiscard]] static Put put(std::int32_t budget, std::uint32_t of, bool renew) {
        sekisho_entry entry{};
        entry.key = key();
        entry.key_bits = static_cast<std::uint8_t>(GetParam().key_bits);
        entry.expires_ns = boottime() + 600'000'000'000;
        entry.generation = of;
        entry.budget_left = budget;
        entry.flags = SEKISHO_ENTRY_GRANT;
        return Programs::get().entries().put(entry, renew);
    }
    [[nodiscard]] static Retired retire() { return Programs::get().entries().retire(key()); }
    [[nodiscard]] static sekisho_key key() { return key_of(GetParam().subscriber, GetParam().key_bits); }
    [[nodiscard]] static sekisho_sweep sweep(std::uint64_t later_s = 0) {
        sekisho_sweep sweep{};
        sweep.now_ns = boottime() + later_s * 1'000'000'000;
        Programs::get().sweep(sweep);
        return sweep;
    }
};
INSTANTIATE_TEST_SUITE_P(, Upkeep, testing::ValuesIn(lines()), line_name);

TEST_P(Upkeep, PuttingMakesAnEntry) {
    EXPECT_EQ(put(5, generation, true), Put::made);
    EXPECT_EQ(entry().budget_left, 5);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(put(5, generation, false), Put::changed);
    EXPECT_EQ(entry().budget_left, 4) << "what is counted goes on";
    EXPECT_EQ(entry().flows, 1);
}

TEST_P(Upkeep, RenewingBeginsTheBudgetAnewAndNothingElse) {
    std::ignore = put(1, generation, true);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1001), exhausted);
    EXPECT_EQ(put(5, generation, true), Put::changed);
    EXPECT_EQ(entry().budget_left, 5);
    EXPECT_EQ(open(1002), exhausted) << "the agent has not heard of the overrun yet";
    EXPECT_EQ(talk(1000), in_flow);
}

// The configuration may give the subscribers of a pool more or less than they had; the first address stays.
TEST_P(Upkeep, TheKeysLengthIsTheLatest) {
    std::ignore = put(5, generation, true);
    sekisho_entry longer = entry();
    longer.key_bits = 48;
    EXPECT_EQ(Programs::get().entries().put(longer, false), Put::changed);
    EXPECT_EQ(entry().key_bits, 48);
    EXPECT_EQ(entry().flags, SEKISHO_ENTRY_GRANT);
    EXPECT_EQ(entry().budget_left, 5);
}

TEST_P(Upkeep, AnotherHolderBeginsEverythingAnew) {
    std::ignore = put(1, generation, true);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(open(1001), exhausted);
    EXPECT_EQ(put(2, generation + 1, false), Put::changed);
    EXPECT_EQ(entry().flows, 0);
    EXPECT_EQ(entry().budget_left, 2);
    EXPECT_FALSE(entry().flags & SEKISHO_ENTRY_OVERRUN);
    EXPECT_EQ(open(1001), granted);
    EXPECT_EQ(judge(segment(1000, rst)), granted) << "not a flow of this holder";
    EXPECT_EQ(entry().flows, 1) << "the old one's end isn't counted here";
}

TEST_P(Upkeep, ARetiredEntryRestsUntilItsConnectionsEnd) {
    std::ignore = put(5, generation, true);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(retire(), Retired::resting);
    EXPECT_EQ(open(1001), blocked);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(judge(segment(1000, rst)), in_flow);
    EXPECT_EQ(retire(), Retired::gone);
    EXPECT_FALSE(Programs::get().entries().find(key()));
    EXPECT_EQ(retire(), Retired::absent);
}

TEST_P(Upkeep, SweepingForgetsWhatIsIdleAndCountsItOut) {
    std::ignore = put(50, generation, true);
    EXPECT_EQ(open(1000), granted);
    EXPECT_EQ(talk(1000), in_flow);
    EXPECT_EQ(open(1001), granted);
    EXPECT_EQ(open(1002), granted);
    EXPECT_EQ(judge(segment(1002, fin)), in_flow);
    sekisho_sweep swept = sweep();
    EXPECT_EQ(swept.flows, 3U);
    EXPECT_EQ(swept.ended, 0U);
    swept = sweep(SEKISHO_FLOW_CLOSING_S + 2);
    EXPECT_EQ(swept.flows, 2U) << "the one that closes";
    swept = sweep(SEKISHO_FLOW_OPENING_S + 2);
    EXPECT_EQ(swept.flows, 1U) << "and the one that never opened";
    EXPECT_EQ(swept.ended, 1U);
    EXPECT_EQ(entry().flows, 1);
    EXPECT_TRUE(flow(1000));
    swept = sweep(902);
    EXPECT_EQ(swept.flows, 0U);
    EXPECT_EQ(entry().flows, 0);
    EXPECT_EQ(entry().flags, SEKISHO_ENTRY_GRANT);
}

TEST_P(Upkeep, SweepingForgetsWhatIsNobodys) {
    std::ignore = put(50, generation, true);
    EXPECT_EQ(open(1000), granted);
    std::ignore = put(50, generation + 1, true);
    EXPECT_EQ(open(1001), granted);
    const sekisho_sweep swept = sweep();
    EXPECT_EQ(swept.flows, 1U);
    EXPECT_EQ(swept.ended, 1U) << "the last holder's";
    EXPECT_EQ(entry().flows, 1);
    ASSERT_TRUE(Programs::get().entries().remove(key()));
    EXPECT_EQ(sweep().ended, 1U) << "the entry is gone";
    EXPECT_FALSE(flow(1001));
}

}  // namespace
}  // namespace sekisho::bpftest
