// SPDX-License-Identifier: Apache-2.0
// Each is told of once in a while, and not too many of them.
#include "agent/base/told_lately.h"

#include <gtest/gtest.h>

namespace sekisho {
namespace {

using namespace std::chrono_literals;

constexpr ToldLately::Moment some_moment{1h};

TEST(ToldLately, EachOnceInAWhile) {
    ToldLately told(60s, 9);
    EXPECT_TRUE(told.is_new("alice", some_moment));
    EXPECT_FALSE(told.is_new("alice", some_moment + 59s));
    EXPECT_TRUE(told.is_new("bob", some_moment + 59s));
    EXPECT_TRUE(told.is_new("alice", some_moment + 60s)) << "asking does not make it later";
}

TEST(ToldLately, NoMoreThanAreRemembered) {
    ToldLately told(60s, 2);
    EXPECT_TRUE(told.is_new("alice", some_moment));
    EXPECT_TRUE(told.is_new("bob", some_moment + 30s));
    EXPECT_FALSE(told.is_new("carol", some_moment + 30s));
    EXPECT_TRUE(told.is_new("carol", some_moment + 60s)) << "alice's time is over";
    EXPECT_FALSE(told.is_new("alice", some_moment + 61s));
}

}  // namespace
}  // namespace sekisho
