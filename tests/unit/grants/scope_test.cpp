// SPDX-License-Identifier: Apache-2.0
// Grants that are good for the relay alone, or for more than before: what the kernel and the store hear of
// them.
#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::IsEmpty;

constexpr Scope edge{.edge = true, .relay = false};
constexpr Scope relay{.edge = false, .relay = true};
constexpr Scope both{.edge = true, .relay = true};
const Prefix line = prefix("192.0.2.7");

class ScopeTest : public testing::Test {
protected:
    // A login of the line whose rule says so.
    Actions open(const Scope& scope, std::chrono::seconds lifetime = 600s,
                 const std::string& user = "alice") {
        GrantRequest asked = request("192.0.2.7", lifetime);
        asked.user = user;
        asked.scope = scope;
        asked.by_login = true;
        Actions actions;
        const auto granted = grants_.open(asked, now_, actions);
        EXPECT_TRUE(granted) << granted.error().what;
        outside_.apply(actions);
        return actions;
    }
    void wait(std::chrono::seconds time) { now_ = later(now_, time); }
    [[nodiscard]] bool kernel_opens() const {
        const auto entry = outside_.kernel.find(line);
        return entry != outside_.kernel.end() && entry->second.granted;
    }
    [[nodiscard]] Grant stored() const { return outside_.grants.at(line); }
    [[nodiscard]] std::chrono::nanoseconds left() const {
        return grants_.find(line.address, now_).value().expires - now_.boottime;
    }

    Config config_ = example_config();
    Grants grants_{config_};
    Outside outside_;
    Now now_ = example_now();
};

TEST_F(ScopeTest, TheKernelHearsNothingOfOneForTheRelay) {
    open(relay);
    EXPECT_THAT(outside_.kernel, IsEmpty());
    EXPECT_EQ(stored().scope(now_), relay);
    EXPECT_EQ(grants_.find(line.address, now_).value().scope(now_), relay);
    wait(601s);
    outside_.apply(grants_.sweep(now_));
    EXPECT_THAT(outside_.kernel, IsEmpty());
    EXPECT_THAT(outside_.grants, IsEmpty());
}

TEST_F(ScopeTest, AWiderLoginOpensAtOnceThoughThereIsTimeLeft) {
    open(relay);
    wait(1s);
    open(edge);
    EXPECT_TRUE(kernel_opens());
    EXPECT_EQ(stored().scope(now_), both);
    EXPECT_EQ(left(), 600s);
    EXPECT_THAT(open(relay), IsEmpty()) << "it is good for that already";
    EXPECT_THAT(open(both), IsEmpty());
}

TEST_F(ScopeTest, EachPartHasItsOwnEnd) {
    open(edge, 600s);
    wait(10s);
    open(relay, 60s);
    EXPECT_EQ(stored().scope(now_), both);
    EXPECT_EQ(left(), 590s);
    EXPECT_EQ(outside_.kernel.at(line).expires - now_.boottime, 590s);
    wait(60s);
    EXPECT_EQ(grants_.find(line.address, now_).value().scope(now_), edge);
}

// Mail that is sent without a login is the user's who has opened the relay, or nobody's.
TEST_F(ScopeTest, AnothersLoginForTheEdgeAloneEndsTheRelaysPart) {
    open(both);
    wait(400s);
    open(edge, 600s, "ALICE");
    EXPECT_EQ(stored().scope(now_), both) << "it is the same one";
    wait(1s);
    open(relay);
    wait(400s);
    open(edge, 600s, "bob");
    EXPECT_EQ(stored().scope(now_), edge);
    EXPECT_EQ(stored().user, "bob");
    EXPECT_EQ(left(), 600s);
    open(both, 600s, "bob");
    EXPECT_EQ(stored().scope(now_), both);
    open(edge, 900s, "carol");
    open(relay, 900s, "bob");
    wait(500s);
    open(both, 900s, "carol");
    EXPECT_EQ(stored().scope(now_), both) << "it is hers now, though his would have lasted";
    EXPECT_EQ(stored().user, "carol");
}

TEST_F(ScopeTest, LoginsForTheRelayNeverLengthenTheEdge) {
    open(edge, 600s);
    const KernelEntry entry = outside_.kernel.at(line);
    for (int i = 0; i < 5; i++) {
        wait(100s);
        GrantRequest asked = request("192.0.2.7", 3600s);
        asked.scope = relay;
        asked.budget = 0;
        Actions actions;
        ASSERT_TRUE(grants_.open(asked, now_, actions));
        outside_.apply(actions);
        EXPECT_EQ(outside_.kernel.at(line).expires, entry.expires);
        EXPECT_EQ(outside_.kernel.at(line).budget, entry.budget);
        EXPECT_EQ(count<PutEntry>(actions), 0U);
    }
    EXPECT_EQ(stored().budget, entry.budget);
    wait(101s);
    EXPECT_EQ(grants_.find(line.address, now_).value().scope(now_), relay);
    Grants next{config_};
    outside_.take_over_by(next, now_);
    EXPECT_FALSE(kernel_opens());
    EXPECT_EQ(next.find(line.address, now_).value().scope(now_), relay);
}

TEST_F(ScopeTest, NorTheOtherWayRound) {
    open(relay, 600s);
    for (int i = 0; i < 5; i++) {
        wait(100s);
        open(edge, 3600s);
    }
    wait(101s);
    EXPECT_EQ(grants_.find(line.address, now_).value().scope(now_), edge);
}

TEST_F(ScopeTest, OneForTheRelayEndsNoCoolDown) {
    open(edge);
    outside_.apply(grants_.revoke(line.address, now_, Flows::go_on, After::cool_down).value());
    GrantRequest order = request("192.0.2.7", 60s);
    order.ends_cool_down = true;
    order.scope = relay;
    Actions actions;
    ASSERT_TRUE(grants_.open(order, now_, actions));
    outside_.apply(actions);
    EXPECT_TRUE(grants_.cool_down_of(line.address, now_));
    order.ends_cool_down = false;
    order.scope = edge;
    EXPECT_FALSE(grants_.open(order, now_, actions));
}

TEST_F(ScopeTest, KillEndsConnectionsOfBefore) {
    open(edge);
    wait(601s);
    outside_.apply(grants_.sweep(now_));
    open(relay);
    const Actions actions = grants_.revoke(line.address, now_, Flows::end).value();
    EXPECT_EQ(count<RemoveEntry>(actions), 1U);
}

TEST_F(ScopeTest, AKernelWithoutRoomTakesTheEdgeAlone) {
    open(relay, 600s);
    wait(10s);
    GrantRequest asked = request("192.0.2.7", 900s);
    asked.scope = edge;
    Actions actions;
    ASSERT_TRUE(grants_.open(asked, now_, actions));
    outside_.apply(grants_.give_up_edge(line.address, now_));
    EXPECT_EQ(stored().scope(now_), relay);
    EXPECT_EQ(left(), 590s);
    outside_.apply(grants_.revoke(line.address, now_).value());
    open(edge);
    outside_.apply(grants_.give_up_edge(line.address, now_));
    EXPECT_FALSE(grants_.find(line.address, now_));
    EXPECT_THAT(outside_.grants, IsEmpty());
}

TEST_F(ScopeTest, WhatIsOverIsNotInheritedByTheNextOne) {
    open(edge);
    wait(601s);  // and not swept
    open(relay);
    EXPECT_EQ(stored().scope(now_), relay);
    EXPECT_FALSE(kernel_opens());
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(ScopeTest, RevokingOneForTheRelayLeavesAnExemption) {
    outside_.apply(grants_.exempt(contract(line)).value());
    open(relay);
    EXPECT_TRUE(outside_.kernel.at(line).exempt);
    EXPECT_FALSE(kernel_opens());
    outside_.apply(grants_.revoke(line.address, now_).value());
    EXPECT_TRUE(outside_.kernel.at(line).exempt);
    open(relay);
    outside_.apply(grants_.remove_exemption(line).value());
    EXPECT_THAT(outside_.kernel, IsEmpty());
    EXPECT_TRUE(grants_.find(line.address, now_)) << "the grant goes on";
}

TEST_F(ScopeTest, AQuarantineEndsThatOneToo) {
    open(relay);
    outside_.apply(grants_.quarantine(line.address, "", now_).value());
    EXPECT_FALSE(grants_.find(line.address, now_));
    EXPECT_TRUE(outside_.kernel.at(line).quarantined);
    outside_.apply(grants_.release(line.address).value());
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(ScopeTest, TheNextHolderInheritsNoRelay) {
    open(relay);
    Actions actions;
    const auto ended = grants_.hand_over(line, [](const Prefix&, WallTime) { return false; }, now_, actions);
    EXPECT_EQ(ended.size(), 1U);
    outside_.apply(actions);
    EXPECT_THAT(outside_.grants, IsEmpty());
    EXPECT_FALSE(grants_.find(line.address, now_));
}

TEST_F(ScopeTest, ARestartKeepsIt) {
    open(relay);
    wait(60s);
    Grants next{config_};
    EXPECT_THAT(outside_.take_over_by(next, now_), testing::SizeIs(1)) << "the list of wide exemptions";
    EXPECT_EQ(next.find(line.address, now_).value().scope(now_), relay);
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(ScopeTest, ARebootKeepsBoth) {
    open(both);
    outside_.kernel.clear();
    const Now second = rebooted(now_, 60s);
    Grants next{config_};
    outside_.take_over_by(next, second);
    EXPECT_EQ(next.find(line.address, second).value().scope(second), both);
    EXPECT_TRUE(kernel_opens());
}

TEST_F(ScopeTest, WhatTheKernelOpenedBeforeTheStoreKnewStaysOpen) {
    open(relay);
    const Grant before = stored();
    wait(1s);
    open(edge);
    outside_.grants.at(line) = before;  // the agent died in between
    Grants next{config_};
    outside_.take_over_by(next, now_);
    EXPECT_EQ(next.find(line.address, now_).value().scope(now_), both);
    EXPECT_EQ(stored().scope(now_), both);
    EXPECT_TRUE(kernel_opens());
}

TEST_F(ScopeTest, AnEntryThatIsLeftOverOfOneForTheRelayIsTakenOut) {
    open(edge);
    const KernelEntry entry = outside_.kernel.at(line);
    wait(601s);
    open(relay);
    outside_.kernel[line] = entry;  // of the generation before
    Grants next{config_};
    outside_.take_over_by(next, now_);
    EXPECT_FALSE(kernel_opens());
    EXPECT_EQ(next.find(line.address, now_).value().scope(now_), relay);
}

}  // namespace
}  // namespace sekisho::grants
