// SPDX-License-Identifier: Apache-2.0
// Sessions of which nothing is heard.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;

TEST_F(SessionsTest, ASessionEndsAfterThreeIntervalsOfSilence) {
    Report report = start("a", 100s, {"192.0.2.7"});
    report.interim_interval = 600s;
    const auto number = apply_new(report);
    EXPECT_EQ(sessions_.find(number).value().interim_interval, 600s);
    expect_nothing(sessions_.sweep(at(100s + 1800s)));
    report.request.status = Status::interim;
    report.request.event_time = midnight + 1000s;
    apply(report);
    expect_nothing(sessions_.sweep(at(1000s + 1800s)));
    const Changes changes = sessions_.sweep(at(1001s + 1800s));
    EXPECT_THAT(changes.ended, ElementsAre(number));
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("192.0.2.7"), number, 0}));
    expect_nothing(sessions_.sweep(at(1001s + 1800s)));
}

TEST_F(SessionsTest, SilenceBeginsWhenAPacketComesNotWhenItWasMade) {
    Report report = start("a", 100s);
    report.interim_interval = 60s;
    EXPECT_THAT(sessions_.apply(report, at(1000s)).began, testing::SizeIs(1));
    expect_nothing(sessions_.sweep(at(1180s)));
    EXPECT_EQ(sessions_.sweep(at(1181s)).ended.size(), 1U);
}

TEST_F(SessionsTest, WhatIsConfiguredCountsBeforeWhatThePacketSays) {
    Report report = start("a", 100s);
    report.request.interim_interval = 3601s;
    const auto number = apply_new(report);
    EXPECT_EQ(sessions_.find(number).value().interim_interval, 3660s) << "in whole minutes";
    report.interim_interval = 600s;
    apply(report);
    EXPECT_EQ(sessions_.find(number).value().interim_interval, 600s);
    report.interim_interval = 1s;
    apply(report);
    EXPECT_EQ(sessions_.find(number).value().interim_interval, 60s);
    report.interim_interval = 48h;
    apply(report);
    EXPECT_EQ(sessions_.find(number).value().interim_interval, 24h);
}

TEST_F(SessionsTest, AnIntervalIsLearntFromTwoThatAreAlike) {
    const auto number = apply_new(start("a", 100s));
    const auto learnt_at = [this, number](std::chrono::seconds made) {
        apply(interim("a", made));
        return sessions_.find(number).value().interim_interval;
    };
    EXPECT_FALSE(learnt_at(102s)) << "an address came";
    EXPECT_FALSE(learnt_at(1000s));
    EXPECT_FALSE(learnt_at(1300s)) << "another";
    EXPECT_FALSE(learnt_at(1900s));
    EXPECT_FALSE(learnt_at(1900s)) << "once more";
    EXPECT_EQ(learnt_at(2501s), 660s);
    EXPECT_EQ(learnt_at(2600s), 660s) << "once learnt, it is known";
    expect_nothing(sessions_.sweep(at(2600s + 1980s)));
    EXPECT_THAT(sessions_.sweep(at(2600s + 1981s)).ended, ElementsAre(number));
}

TEST_F(SessionsTest, WithoutAnIntervalSilenceEndsNothing) {
    apply(start("a", 100s));
    apply(interim("a", 700s));
    expect_nothing(sessions_.sweep(at(24h * 365)));
    EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(SessionsTest, WhoOnlyFellSilentMayComeBack) {
    Report report = start("a", 100s, {"192.0.2.7"});
    report.interim_interval = 60s;
    const auto first = apply_new(report);
    EXPECT_EQ(sessions_.sweep(at(1000s)).ended.size(), 1U);
    now_ = 1001s;
    EXPECT_TRUE(apply(interim("a", 100s, {"192.0.2.7"})).late);
    const auto second = apply_new(interim("a", 1010s, {"192.0.2.7"}));
    EXPECT_GT(second, first);
    report.request.status = Status::interim;
    report.request.event_time = midnight + 1020s;
    apply(report);
    EXPECT_EQ(sessions_.sweep(at(2000s)).ended.size(), 1U);
    apply(stop("a", 2001s));
    expect_nothing(apply(interim("a", 2002s, {"192.0.2.7"})));
}

TEST_F(SessionsTest, ASweepThatFindsMuchStopsAndGoesOnLater) {
    Sessions sessions;
    for (int i = 0; i <= 10'000; ++i) {
        Report report = start(std::to_string(i), 100s);
        report.interim_interval = 60s;
        EXPECT_FALSE(sessions.apply(report, at(100s)).refused);
    }
    EXPECT_EQ(sessions.sweep(at(1000s)).ended.size(), 10'000U);
    EXPECT_EQ(sessions.size(), 1U);
    EXPECT_EQ(sessions.sweep(at(1000s)).ended.size(), 1U);
}

TEST_F(SessionsTest, AClockThatWentBackMakesNobodySilent) {
    Report begins = start("a", 3600s, {"192.0.2.7"});
    begins.request.interim_interval = 600s;
    apply_new(begins);
    for (auto made = 100s; made < 7000s; made += 600s) {
        EXPECT_TRUE(sessions_.apply(interim("a", made, {"192.0.2.7"}), at(3600s + made)).late ||
                    made >= 3600s);
        EXPECT_TRUE(sessions_.sweep(at(3600s + made)).ended.empty());
    }
    EXPECT_EQ(holder("192.0.2.7"), "a");
}

}  // namespace
}  // namespace sekisho::subscribers
