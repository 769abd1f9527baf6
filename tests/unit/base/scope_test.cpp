// SPDX-License-Identifier: Apache-2.0
// Scopes as text.
#include "agent/base/scope.h"

#include <gtest/gtest.h>

namespace sekisho {
namespace {

constexpr Scope edge{.edge = true, .relay = false};
constexpr Scope relay{.edge = false, .relay = true};
constexpr Scope both{.edge = true, .relay = true};

TEST(ScopeTest, IsWrittenAndReadBack) {
    for (const Scope& scope : {edge, relay, both}) {
        const auto back = parse_scope(to_string(scope));
        ASSERT_TRUE(back);
        EXPECT_EQ(*back, scope);
    }
    EXPECT_EQ(parse_scope("relay,edge").value(), both);
    EXPECT_EQ(parse_scope("edge,edge").value(), edge);
}

TEST(ScopeTest, OtherWordsAreRefused) {
    for (const char* text : {"", ",", "edge,", ",edge", "Edge", "edge relay", "edge, relay", "all"}) {
        EXPECT_FALSE(parse_scope(text)) << text;
    }
}

}  // namespace
}  // namespace sekisho
