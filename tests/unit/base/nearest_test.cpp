// SPDX-License-Identifier: Apache-2.0
// Which word was meant.
#include "agent/base/nearest.h"

#include <gtest/gtest.h>

namespace sekisho {
namespace {

const std::vector<std::string> commands = {"status", "doctor", "grant", "exempt", "why"};

TEST(Nearest, IsFoundDespiteSlips) {
    EXPECT_EQ(nearest("stauts", commands), "status");
    EXPECT_EQ(nearest("statu", commands), "status");
    EXPECT_EQ(nearest("statuss", commands), "status");
    EXPECT_EQ(nearest("exmept", commands), "exempt");
    EXPECT_EQ(nearest("grant", commands), "grant");
}

TEST(Nearest, IsNothingWhereNothingIsNear) {
    EXPECT_EQ(nearest("frobnicate", commands), std::nullopt);
    EXPECT_EQ(nearest("x", {}), std::nullopt);
}

}  // namespace
}  // namespace sekisho
