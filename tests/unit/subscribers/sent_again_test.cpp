// SPDX-License-Identifier: Apache-2.0
// Packets that are sent once more.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::IsEmpty;

// Its identifier and authenticator are new (RFC 2866, section 5.2), and it says no time.
class SentAgainTest : public SessionsTest {
protected:
    static Report timeless(Report report) {
        report.request.event_time.reset();
        return report;
    }

    Changes apply_at(const Report& report, std::chrono::seconds when) {
        return sessions_.apply(timeless(report), at(when));
    }
};

TEST_F(SentAgainTest, AStartAfterTheStopBeginsNothing) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(stop("a", 0s), 200s);
    const Changes again = apply_at(start("a", 0s, {"192.0.2.7"}), 210s);
    expect_nothing(again);
    EXPECT_TRUE(again.late);
    EXPECT_EQ(holder("192.0.2.7"), "");
}

TEST_F(SentAgainTest, AStartAfterAnothersTakesNothingBack) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(start("b", 0s, {"192.0.2.7"}), 200s);
    EXPECT_THAT(apply_at(start("a", 0s, {"192.0.2.7"}), 210s).holders, IsEmpty());
    EXPECT_EQ(holder("192.0.2.7"), "b");
}

TEST_F(SentAgainTest, TheHoldersOwnStartChangesNothing) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    EXPECT_THAT(apply_at(start("a", 0s, {"192.0.2.7"}), 102s).holders, IsEmpty());
    EXPECT_EQ(holder("192.0.2.7"), "a");
}

TEST_F(SentAgainTest, ANameThatIsUsedAgainLaterIsAnotherSession) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(stop("a", 0s), 200s);
    apply_at(start("a", 0s, {"192.0.2.8"}), 200s + 5min);
    EXPECT_EQ(holder("192.0.2.8"), "a");
}

TEST_F(SentAgainTest, WhatSaysItsTimeIsBelieved) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(stop("a", 0s), 200s);
    Report later = start("a", 210s, {"192.0.2.7"});
    EXPECT_EQ(apply(later).began.size(), 1U);
    apply(stop("a", 220s));
    later = timeless(later);
    later.request.delay = 5s;
    EXPECT_EQ(sessions_.apply(later, at(230s)).began.size(), 1U) << "made at 225";
}

}  // namespace
}  // namespace sekisho::subscribers
