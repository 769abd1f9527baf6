// SPDX-License-Identifier: Apache-2.0
// Alice, alice and ALICE.
#include "agent/base/user_name.h"

#include <gtest/gtest.h>

namespace sekisho {
namespace {

TEST(UserName, CapitalLettersMakeNoDifference) {
    EXPECT_EQ(folded("Alice@Example.COM"), "alice@example.com");
    EXPECT_EQ(folded("J\xc3\x96RG-1"), "j\xc3\x96rg-1") << "those of ASCII";
    EXPECT_EQ(folded(""), "");
}

TEST(UserName, TheOrderIsThatOfTheFoldedNames) {
    const FoldedLess less;
    EXPECT_FALSE(less("Alice", "alice"));
    EXPECT_FALSE(less("alice", "ALICE"));
    EXPECT_TRUE(less("Alice", "bob"));
    EXPECT_TRUE(less("alice", "BOB"));
    EXPECT_FALSE(less("bob", "Alice"));
    EXPECT_TRUE(less("alice", "Alice2"));
    EXPECT_TRUE(less("", "a"));
}

}  // namespace
}  // namespace sekisho
