// SPDX-License-Identifier: Apache-2.0
// Budgets: what the kernel is told of them, and what follows when one is overrun.
#include <gtest/gtest.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

class CoolDownTest : public ::testing::Test {
protected:
    CoolDownTest() { config_.grants.cool_down = 900s; }

    Grant open(Grants& grants, const GrantRequest& asked, const Now& now) {
        Grant granted;
        outside_.apply(open_in(grants, asked, now, granted).value());
        return granted;
    }

    // A grant by login that the kernel says was overrun.
    void overrun(Grants& grants) {
        const Grant granted = open(grants, request("192.0.2.7"), now_);
        outside_.apply(grants.overrun(granted.key, granted.generation, now_));
    }

    static std::string refusal(Grants& grants, const GrantRequest& asked, const Now& now) {
        Grant granted;
        const auto opened = open_in(grants, asked, now, granted);
        return opened ? "" : opened.error().what;
    }

    Config config_ = example_config();
    Now now_ = example_now();
    Outside outside_;
};

TEST_F(CoolDownTest, TheKernelIsToldTheBudget) {
    config_.grants.budget = 50;
    Grants grants(config_);
    EXPECT_EQ(open(grants, request("192.0.2.7"), now_).budget, 50U);
    const KernelEntry& entry = outside_.kernel.at(prefix("192.0.2.7/32"));
    EXPECT_EQ(entry.budget, 50U);
    EXPECT_TRUE(entry.renewed);
    EXPECT_EQ(outside_.grants.at(entry.key).budget, 50U);

    GrantRequest own = request("192.0.2.8");
    own.budget = 0;
    EXPECT_EQ(open(grants, own, now_).budget, 0U);
    EXPECT_EQ(outside_.kernel.at(prefix("192.0.2.8/32")).budget, 0U);
}

TEST_F(CoolDownTest, AnotherLoginBeginsTheBudgetAnew) {
    Grants grants(config_);
    const Grant first = open(grants, request("192.0.2.7"), now_);
    Grant granted;
    const Actions actions = open_in(grants, request("192.0.2.7"), later(now_, 1s), granted).value();
    EXPECT_EQ(granted.generation, first.generation);
    EXPECT_TRUE(std::get<PutEntry>(actions.front()).entry.renewed);
}

TEST_F(CoolDownTest, AnExemptionBesidesLeavesTheBudgetAlone) {
    Grants grants(config_);
    open(grants, request("192.0.2.7"), now_);
    outside_.apply(grants.exempt(contract("192.0.2.7/32")).value());
    EXPECT_FALSE(outside_.kernel.at(prefix("192.0.2.7/32")).renewed);
}

TEST_F(CoolDownTest, ABudgetBeyondTheKernelsNumbersIsRefused) {
    Grants grants(config_);
    GrantRequest asked = request("192.0.2.7");
    asked.budget = largest_budget + 1;
    EXPECT_NE(refusal(grants, asked, now_), "");
    asked.budget = largest_budget;
    EXPECT_EQ(refusal(grants, asked, now_), "");
}

TEST_F(CoolDownTest, AnOverrunEndsTheGrantAndNoLoginOpensAnything) {
    Grants grants(config_);
    overrun(grants);
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_TRUE(outside_.grants.empty());
    ASSERT_EQ(outside_.cool_downs.size(), 1U);
    EXPECT_EQ(outside_.cool_downs.begin()->second.user, "alice");
    EXPECT_EQ(
        refusal(grants, request("192.0.2.7"), later(now_, 60s)),
        "192.0.2.7/32 opened more connections than its grant was good for: no login opens port 25 for it "
        "for another 14m");
    EXPECT_EQ(refusal(grants, request("192.0.2.8"), now_), "") << "a neighbour";
    EXPECT_EQ(refusal(grants, request("192.0.2.7"), later(now_, 900s)), "") << "it is over";
}

TEST_F(CoolDownTest, ItIsForgottenWhenItIsOver) {
    Grants grants(config_);
    overrun(grants);
    EXPECT_EQ(grants.cool_downs(now_).size(), 1U);
    outside_.apply(grants.sweep(later(now_, 899s)));
    EXPECT_EQ(outside_.cool_downs.size(), 1U);
    outside_.apply(grants.sweep(later(now_, 900s)));
    EXPECT_TRUE(outside_.cool_downs.empty());
    EXPECT_TRUE(grants.cool_downs(later(now_, 900s)).empty());
}

TEST_F(CoolDownTest, AnOperatorOpensAllTheSame) {
    Grants grants(config_);
    overrun(grants);
    GrantRequest order = request("192.0.2.7");
    order.ends_cool_down = true;
    open(grants, order, later(now_, 1s));
    EXPECT_TRUE(outside_.cool_downs.empty());
    EXPECT_EQ(outside_.kernel.size(), 1U);
}

// Else a mail program that polls would open it again within the minute.
TEST_F(CoolDownTest, SoDoesARevocation) {
    Grants grants(config_);
    open(grants, request("192.0.2.7"), now_);
    outside_.apply(grants.revoke(address("192.0.2.7"), now_, Flows::go_on, After::cool_down).value());
    ASSERT_EQ(outside_.cool_downs.size(), 1U);
    EXPECT_EQ(outside_.cool_downs.begin()->second.cause, CoolDownCause::revoked);
    EXPECT_EQ(outside_.cool_downs.begin()->second.user, "alice");
    EXPECT_EQ(
        refusal(grants, request("192.0.2.7"), later(now_, 60s)),
        "192.0.2.7/32 has had its grant revoked by an operator: no login opens port 25 for it for another "
        "14m");
    Grants next(config_);
    outside_.take_over_by(next, later(now_, 61s));
    EXPECT_EQ(next.cool_down_of(address("192.0.2.7"), later(now_, 61s))->cause, CoolDownCause::revoked);
    EXPECT_EQ(refusal(next, request("192.0.2.7"), later(now_, 900s)), "");
}

TEST_F(CoolDownTest, ARevocationNeedNot) {
    Grants grants(config_);
    open(grants, request("192.0.2.7"), now_);
    outside_.apply(grants.revoke(address("192.0.2.7"), now_).value());
    EXPECT_TRUE(outside_.cool_downs.empty());
    EXPECT_EQ(refusal(grants, request("192.0.2.7"), now_), "");
}

TEST_F(CoolDownTest, TheWholeKeyCoolsDown) {
    Grants grants(config_);
    const Grant granted = open(grants, request("2001:db8:100:100::1"), now_);
    outside_.apply(grants.overrun(granted.key, granted.generation, now_));
    EXPECT_NE(refusal(grants, request("2001:db8:100:1ff::2"), now_), "") << "the same /56";
    EXPECT_EQ(refusal(grants, request("2001:db8:100:200::1"), now_), "");
}

TEST_F(CoolDownTest, NewsOfAnotherGenerationIsOld) {
    Grants grants(config_);
    const Grant granted = open(grants, request("192.0.2.7"), now_);
    EXPECT_TRUE(grants.overrun(granted.key, granted.generation - 1, now_).empty());
    EXPECT_TRUE(grants.overrun(prefix("192.0.2.9/32"), granted.generation, now_).empty());
    EXPECT_EQ(grants.count(now_), 1U);
}

TEST_F(CoolDownTest, NoneIfTheConfigurationWantsNone) {
    config_.grants.cool_down = 0s;
    Grants grants(config_);
    overrun(grants);
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_EQ(refusal(grants, request("192.0.2.7"), now_), "");
}

TEST_F(CoolDownTest, AContractStays) {
    Grants grants(config_);
    const Grant granted = open(grants, request("192.0.2.7"), now_);
    outside_.apply(grants.exempt(contract("192.0.2.7/32")).value());
    outside_.apply(grants.overrun(granted.key, granted.generation, now_));
    EXPECT_TRUE(outside_.kernel.at(granted.key).exempt);
    EXPECT_FALSE(outside_.kernel.at(granted.key).granted);
}

TEST_F(CoolDownTest, ItOutlivesTheAgent) {
    Grants grants(config_);
    overrun(grants);
    Grants next(config_);
    outside_.take_over_by(next, later(now_, 60s));
    EXPECT_NE(refusal(next, request("192.0.2.7"), later(now_, 899s)), "");
    EXPECT_EQ(refusal(next, request("192.0.2.7"), later(now_, 900s)), "");
}

TEST_F(CoolDownTest, ItOutlivesTheBox) {
    Grants grants(config_);
    overrun(grants);
    Grants next(config_);
    const Now then = rebooted(now_, 300s);
    outside_.kernel.clear();
    outside_.take_over_by(next, then);
    EXPECT_NE(refusal(next, request("192.0.2.7"), later(then, 599s)), "");
    EXPECT_EQ(refusal(next, request("192.0.2.7"), later(then, 600s)), "");
}

// A clock that went back must not lock anybody out for years.
TEST_F(CoolDownTest, ItIsNeverLongerThanTheConfigurationSays) {
    Grants grants(config_);
    overrun(grants);
    Grants next(config_);
    const Now then = rebooted(now_, -24h);
    outside_.kernel.clear();
    outside_.take_over_by(next, then);
    EXPECT_NE(refusal(next, request("192.0.2.7"), later(then, 899s)), "");
    EXPECT_EQ(refusal(next, request("192.0.2.7"), later(then, 900s)), "");
}

TEST_F(CoolDownTest, AnOverrunThatNobodyHeardOfCountsAtTheNextStart) {
    Grants grants(config_);
    const Grant granted = open(grants, request("192.0.2.7"), now_);
    outside_.kernel.at(granted.key).overrun = true;
    Grants next(config_);
    outside_.take_over_by(next, later(now_, 5s));
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_NE(refusal(next, request("192.0.2.7"), later(now_, 6s)), "");
}

TEST_F(CoolDownTest, RevokingLetsConnectionsGoOnOrEndsThem) {
    Grants grants(config_);
    open(grants, request("192.0.2.7"), now_);
    const Actions kept = grants.revoke(address("192.0.2.7"), now_).value();
    EXPECT_EQ(count<RetireEntry>(kept), 1U);
    outside_.apply(kept);
    open(grants, request("192.0.2.7"), now_);
    const Actions killed = grants.revoke(address("192.0.2.7"), now_, Flows::end).value();
    EXPECT_EQ(count<RemoveEntry>(killed), 1U);
    EXPECT_EQ(count<RetireEntry>(killed), 0U);
}

}  // namespace
}  // namespace sekisho::grants
