// SPDX-License-Identifier: Apache-2.0
// Subscribers that an operator shuts off.
#include <gtest/gtest.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

class QuarantineTest : public ::testing::Test {
protected:
    void shut(std::string_view of) {
        outside_.apply(grants_.quarantine(address(of), "ticket 4712", now_).value());
    }
    void release(std::string_view of) { outside_.apply(grants_.release(address(of)).value()); }
    Grant open(std::string_view of) {
        Grant granted;
        outside_.apply(open_in(grants_, request(of), now_, granted).value());
        return granted;
    }
    [[nodiscard]] KernelEntry entry(std::string_view key) const { return outside_.kernel.at(prefix(key)); }

    Config config_ = example_config();
    Now now_ = example_now();
    Grants grants_{config_};
    Outside outside_;
};

TEST_F(QuarantineTest, IsInTheKernelAndOnTheDisk) {
    shut("192.0.2.7");
    EXPECT_TRUE(entry("192.0.2.7/32").quarantined);
    ASSERT_EQ(grants_.quarantines().size(), 1U);
    EXPECT_EQ(outside_.quarantines.begin()->second.note, "ticket 4712");
    EXPECT_TRUE(grants_.quarantine_of(address("192.0.2.7")));
    EXPECT_FALSE(grants_.quarantine_of(address("192.0.2.8")));
    release("192.0.2.7");
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_TRUE(outside_.quarantines.empty());
}

TEST_F(QuarantineTest, CoversTheWholeKey) {
    shut("2001:db8:100:100::1");
    EXPECT_TRUE(entry("2001:db8:100:100::/56").quarantined);
    EXPECT_TRUE(grants_.quarantine_of(address("2001:db8:100:1ff::2")));
    release("2001:db8:100:1ff::2");
    EXPECT_TRUE(outside_.kernel.empty());
}

TEST_F(QuarantineTest, EndsTheGrantAndWhatWasOpenedUnderIt) {
    const Grant granted = open("192.0.2.7");
    shut("192.0.2.7");
    EXPECT_FALSE(entry("192.0.2.7/32").granted);
    EXPECT_GT(entry("192.0.2.7/32").generation, granted.generation) << "no connection is of this one";
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_EQ(grants_.count(now_), 0U);
}

TEST_F(QuarantineTest, NobodyOpensAnythingMeanwhile) {
    shut("192.0.2.7");
    GrantRequest order = request("192.0.2.7");
    order.ends_cool_down = true;
    Grant granted;
    const auto refused = open_in(grants_, order, now_, granted);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "192.0.2.7/32 is quarantined: ticket 4712");
    release("192.0.2.7");
    EXPECT_TRUE(open_in(grants_, order, now_, granted));
}

TEST_F(QuarantineTest, AContractComesBackAfterwards) {
    outside_.apply(grants_.exempt(contract("192.0.2.7/32")).value());
    shut("192.0.2.7");
    EXPECT_TRUE(entry("192.0.2.7/32").exempt);
    EXPECT_TRUE(entry("192.0.2.7/32").quarantined);
    release("192.0.2.7");
    EXPECT_TRUE(entry("192.0.2.7/32").exempt);
    EXPECT_FALSE(entry("192.0.2.7/32").quarantined);
}

TEST_F(QuarantineTest, TheEndOfAContractLeavesIt) {
    outside_.apply(grants_.exempt(contract("192.0.2.7/32")).value());
    shut("192.0.2.7");
    outside_.apply(grants_.remove_exemption(prefix("192.0.2.7/32")).value());
    EXPECT_TRUE(entry("192.0.2.7/32").quarantined);
    EXPECT_FALSE(entry("192.0.2.7/32").exempt);
}

TEST_F(QuarantineTest, IsRefusedWhereItWouldHitOthersOrNobody) {
    const auto kind = [this](std::string_view of) {
        const auto done = grants_.quarantine(address(of), "", now_);
        return done ? std::optional<Failure>() : std::optional(done.error().kind);
    };
    EXPECT_EQ(kind("198.51.100.7"), Failure::refused) << "shared";
    EXPECT_EQ(kind("203.0.113.200"), Failure::refused) << "in no pool";
    shut("192.0.2.7");
    EXPECT_EQ(kind("192.0.2.7"), Failure::conflict);
    EXPECT_EQ(grants_.release(address("192.0.2.8")).error().kind, Failure::not_found);
}

TEST_F(QuarantineTest, OutlivesAgentAndBox) {
    shut("192.0.2.7");
    open("192.0.2.8");
    for (const bool kernel_too : {true, false}) {
        Grants next(config_);
        Outside outside = outside_;
        if (!kernel_too) {
            outside.kernel.clear();
        }
        outside.take_over_by(next, kernel_too ? now_ : rebooted(now_, 60s));
        EXPECT_TRUE(outside.kernel.at(prefix("192.0.2.7/32")).quarantined);
        EXPECT_FALSE(outside.kernel.at(prefix("192.0.2.8/32")).quarantined);
        EXPECT_TRUE(next.quarantine_of(address("192.0.2.7")));
    }
}

// The agent died between the disk and the kernel, or the other way round: the disk is right.
TEST_F(QuarantineTest, TheDiskIsRightAtTheStart) {
    const Grant granted = open("192.0.2.7");
    outside_.quarantines[granted.key] = {.key = granted.key, .note = "", .since = now_.wall};
    outside_.kernel[prefix("192.0.2.9/32")] = {.key = prefix("192.0.2.9/32"), .quarantined = true};
    Grants next(config_);
    outside_.take_over_by(next, now_);
    EXPECT_TRUE(entry("192.0.2.7/32").quarantined);
    EXPECT_FALSE(entry("192.0.2.7/32").granted);
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_FALSE(outside_.kernel.contains(prefix("192.0.2.9/32")));
}

TEST_F(QuarantineTest, OneWhosePoolIsGoneIsKeptAndCanBeEnded) {
    shut("192.0.2.7");
    config_.pools.erase(config_.pools.begin());
    Grants next(config_);
    outside_.take_over_by(next, now_);
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_EQ(next.quarantines().size(), 1U);
    outside_.apply(next.release(address("192.0.2.7")).value());
    EXPECT_TRUE(outside_.quarantines.empty());
}

}  // namespace
}  // namespace sekisho::grants
