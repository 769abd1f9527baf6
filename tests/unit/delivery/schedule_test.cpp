// SPDX-License-Identifier: Apache-2.0
// When to try again, and when to give up.
#include "smtpd/delivery/schedule.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sekisho::delivery {
namespace {

using namespace std::chrono_literals;
using message::WallTime;

constexpr WallTime noon{1'800'000'000s};

std::chrono::seconds wait_after(const RelayConfig& config, std::size_t attempts, double jitter) {
    return next_attempt(config, noon, noon, attempts, jitter).value() - noon;
}

TEST(ScheduleTest, EachWaitIsLonger) {
    const RelayConfig config;
    EXPECT_EQ(wait_after(config, 1, 0), 300s);
    EXPECT_EQ(wait_after(config, 2, 0), 450s);
    EXPECT_EQ(wait_after(config, 3, 0), 675s);
    std::chrono::seconds last = 0s;
    for (std::size_t attempts = 1; attempts < 10; attempts++) {
        EXPECT_GT(wait_after(config, attempts, 0), last);
        last = wait_after(config, attempts, 0);
    }
}

TEST(ScheduleTest, UpToALongest) {
    const RelayConfig config;
    for (const std::size_t attempts : {std::size_t{20}, std::size_t{1000}, static_cast<std::size_t>(-1)}) {
        EXPECT_EQ(wait_after(config, attempts, 0), config.retry_longest) << attempts;
        EXPECT_EQ(wait_after(config, attempts, 1), config.retry_longest * 5 / 4);
    }
}

TEST(ScheduleTest, JitterIsUpToAQuarterLater) {
    const RelayConfig config;
    EXPECT_EQ(wait_after(config, 1, 0.5), 338s);  // 37.5 more, whole seconds
    EXPECT_EQ(wait_after(config, 1, 1), 375s);
    EXPECT_EQ(wait_after(config, 1, 7), 375s);
    EXPECT_EQ(wait_after(config, 1, -7), 300s);
}

TEST(ScheduleTest, NoAttemptAtAllIsLikeTheFirst) {
    EXPECT_EQ(wait_after(RelayConfig(), 0, 0), 300s);
}

TEST(ScheduleTest, OneAttemptIsMadeAtTheVeryEndAndThenNoMore) {
    const RelayConfig config;
    const WallTime end = noon + config.give_up;
    EXPECT_EQ(next_attempt(config, noon, end - 10s, 30, 0), end);
    EXPECT_EQ(next_attempt(config, noon, end - 1s, 30, 1), end);
    EXPECT_EQ(next_attempt(config, noon, end, 30, 0), std::nullopt);
    EXPECT_EQ(next_attempt(config, noon, end + 1000s, 1, 0), std::nullopt);
}

TEST(ScheduleTest, TheNextIsAlwaysLater) {
    RelayConfig config;
    config.retry_first = 0s;
    config.retry_longest = 0s;
    EXPECT_EQ(wait_after(config, 1, 0), 1s);
}

TEST(ScheduleTest, AClockThatWasSetBackMakesNoLongerWait) {
    const RelayConfig config;
    EXPECT_EQ(next_attempt(config, noon, noon - 86'400s, 1, 0), noon - 86'400s + 300s);
}

// From the first attempt to the last: neither a storm nor silence.
TEST(ScheduleTest, AWholeLife) {
    const RelayConfig config;
    WallTime now = noon;
    std::size_t attempts = 0;
    while (const auto next = next_attempt(config, noon, now, ++attempts, 0.5)) {
        ASSERT_GT(*next, now);
        ASSERT_LE(*next - now, config.retry_longest * 5 / 4);
        now = *next;
    }
    EXPECT_EQ(now, noon + config.give_up);
    EXPECT_GT(attempts, 20U);
    EXPECT_LT(attempts, 60U);
}

}  // namespace
}  // namespace sekisho::delivery
