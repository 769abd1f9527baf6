// SPDX-License-Identifier: Apache-2.0
// Prefixes within prefixes.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(SessionsTest, OneSessionMayHaveAPrefixWithinItsPrefix) {
    const auto number = apply_new(start("a", 100s, {"2001:db8:1::/56", "2001:db8:1:5::/64"}));
    EXPECT_THAT(sessions_.find(number).value().prefixes,
                ElementsAre(prefix("2001:db8:1::/56"), prefix("2001:db8:1:5::/64")));
    EXPECT_THAT(apply(interim("a", 200s, {"2001:db8:1::/56"})).holders, IsEmpty())
        << "its holder is the same";
    EXPECT_EQ(holder("2001:db8:1:5::1"), "a");
}

TEST_F(SessionsTest, APrefixWithinAnothersIsTakenOutOfIt) {
    const auto wide = apply_new(start("wide", 100s, {"2001:db8:1::/56"}));
    const Changes changes = apply(start("narrow", 200s, {"2001:db8:1:5::/64"}));
    const auto narrow = changes.began.front();
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("2001:db8:1:5::/64"), wide, narrow}));
    EXPECT_EQ(holder("2001:db8:1:5::1"), "narrow");
    EXPECT_EQ(holder("2001:db8:1:6::1"), "wide");
    EXPECT_EQ(sessions_.holder_of(prefix("2001:db8:1::/56")), wide);
    EXPECT_EQ(sessions_.holder_of(prefix("2001:db8:1:5:8000::/65")), narrow);
    EXPECT_EQ(sessions_.holder_of(prefix("2001:db8::/48")), 0U);
    // Who has the wider one says so now and then; that takes nothing back.
    expect_nothing(apply(interim("wide", 300s, {"2001:db8:1::/56"})));
    EXPECT_EQ(holder("2001:db8:1:5::1"), "narrow");
    EXPECT_THAT(apply(stop("narrow", 400s)).holders,
                ElementsAre(HolderChange{prefix("2001:db8:1:5::/64"), narrow, wide}));
    EXPECT_EQ(holder("2001:db8:1:5::1"), "wide");
}

TEST_F(SessionsTest, APrefixWithinAnothersMayBeHeardOfLate) {
    apply(start("wide", 100s, {"2001:db8:1::/56"}));
    apply(interim("wide", 300s, {"2001:db8:1::/56"}));
    now_ = 310s;
    EXPECT_FALSE(apply(start("narrow", 200s, {"2001:db8:1:5::/64"})).late);
    EXPECT_EQ(holder("2001:db8:1:5::1"), "narrow");
    EXPECT_TRUE(apply(start("earlier", 99s, {"2001:db8:1:6::/64"})).late);
    EXPECT_EQ(holder("2001:db8:1:6::1"), "wide");
}

TEST_F(SessionsTest, ANewPrefixTakesThoseWithinItFromOthers) {
    const auto narrow = apply_new(start("narrow", 100s, {"2001:db8:1:5::/64", "2001:db8:2::/64"}));
    apply(start("later", 300s, {"2001:db8:1:6::/64"}));
    now_ = 310s;
    const Changes changes = apply(start("wide", 200s, {"2001:db8:1::/56"}));
    const auto wide = changes.began.front();
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("2001:db8:1::/56"), 0, wide},
                                             HolderChange{prefix("2001:db8:1:5::/64"), narrow, wide}));
    EXPECT_EQ(holder("2001:db8:1:5::1"), "wide");
    EXPECT_EQ(holder("2001:db8:1:6::1"), "later");
    EXPECT_THAT(sessions_.find(narrow).value().prefixes, ElementsAre(prefix("2001:db8:2::/64")));
    // A late word on the narrower one is late for the wider one, too, even when that is over.
    EXPECT_TRUE(apply(interim("narrow", 150s, {"2001:db8:1:5::/64"})).late);
    apply(stop("wide", 320s));
    EXPECT_TRUE(apply(interim("other", 150s, {"2001:db8:1:5::/64"})).late);
    EXPECT_EQ(holder("2001:db8:1:5::1"), "");
}

TEST_F(SessionsTest, TheFirstAndTheLastWithinAPrefixAreWithinIt) {
    apply(start("a", 100s, {"2001:db8:1::/128", "2001:db8:1:ff:ffff:ffff:ffff:ffff/128"}));
    apply(start("b", 100s, {"2001:db8:0:ffff:ffff:ffff:ffff:ffff/128", "2001:db8:1:100::/128"}));
    apply(start("wide", 200s, {"2001:db8:1::/56"}));
    EXPECT_EQ(holder("2001:db8:1::"), "wide");
    EXPECT_EQ(holder("2001:db8:1:ff:ffff:ffff:ffff:ffff"), "wide");
    EXPECT_EQ(holder("2001:db8:0:ffff:ffff:ffff:ffff:ffff"), "b");
    EXPECT_EQ(holder("2001:db8:1:100::"), "b");
}

}  // namespace
}  // namespace sekisho::subscribers
