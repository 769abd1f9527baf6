// SPDX-License-Identifier: Apache-2.0
// A table of sessions that is full.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(SessionsTest, AFullTableTakesNoMoreButStillEndsWhatIsOver) {
    Sessions sessions(2);
    const auto first = sessions.apply(start("a", 100s, {"192.0.2.7"}), at(100s)).began.front();
    EXPECT_FALSE(sessions.apply(start("b", 100s), at(100s)).refused);
    const Changes changes = sessions.apply(start("c", 200s, {"192.0.2.7"}), at(200s));
    ASSERT_TRUE(changes.refused);
    EXPECT_EQ(changes.refused->kind, Failure::unavailable);
    EXPECT_THAT(changes.refused->what, HasSubstr("there are 2 sessions"));
    EXPECT_THAT(changes.began, IsEmpty());
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("192.0.2.7"), first, 0}));
    EXPECT_EQ(sessions.refused(), 1U);
    EXPECT_EQ(sessions.size(), 2U);
    EXPECT_FALSE(sessions.apply(interim("a", 210s, {"192.0.2.8"}), at(210s)).refused);
    EXPECT_EQ(sessions.apply(stop("b", 300s), at(300s)).ended.size(), 1U);
    EXPECT_EQ(sessions.apply(interim("c", 310s, {"192.0.2.7"}), at(310s)).began.size(), 1U);
    EXPECT_EQ(sessions.refused(), 1U);
}

TEST_F(SessionsTest, ASessionHasAMostOfPrefixes) {
    Report report = start("a", 100s);
    for (std::uint8_t i = 1; i <= 20; ++i) {
        report.request.prefixes.push_back(Prefix{Address{Family::ipv4, {192, 0, 2, i}}, 32});
    }
    EXPECT_EQ(sessions_.find(apply_new(report)).value().prefixes.size(), most_prefixes);
}

TEST_F(SessionsTest, TheYoungestHundredThousandThatEndedAreRemembered) {
    apply(stop("first", 100s));
    apply(stop("second", 100s));
    for (int i = 0; i < 99'999; ++i) {
        EXPECT_THAT(sessions_.apply(stop(std::to_string(i), 100s), at(100s)).ended, IsEmpty());
    }
    EXPECT_THAT(apply(interim("second", 90s)).began, IsEmpty());
    EXPECT_THAT(apply(interim("first", 90s)).began, testing::SizeIs(1));
}

TEST_F(SessionsTest, WhatHasEndedIsForgottenAfterADay) {
    apply(stop("a", 100s));
    expect_nothing(sessions_.sweep(at(100s + 24h)));
    now_ = 101s + 24h;
    EXPECT_THAT(apply(interim("a", 90s)).began, IsEmpty());
    expect_nothing(sessions_.sweep(at(101s + 24h)));
    EXPECT_THAT(apply(interim("a", 90s)).began, testing::SizeIs(1));
}

TEST_F(SessionsTest, TheYoungestClaimsThatAreOverAreRemembered) {
    const auto take_and_leave = [this](std::uint32_t i) {
        Report report = interim("a", 100s);
        report.request.event_time = midnight + 100s + std::chrono::seconds(i / 3);
        report.request.prefixes = {
            Prefix{Address{Family::ipv4,
                           {10, static_cast<std::uint8_t>(i >> 16U), static_cast<std::uint8_t>(i >> 8U),
                            static_cast<std::uint8_t>(i)}},
                   32}};
        EXPECT_FALSE(sessions_.apply(report, at(80'000s)).late);
    };
    for (std::uint32_t i = 0; i <= 200'001; ++i) {
        take_and_leave(i);
    }
    EXPECT_TRUE(sessions_.apply(start("b", 50s, {"10.0.0.1"}), at(80'000s)).late);
    EXPECT_EQ(holder("10.0.0.1"), "");
    EXPECT_FALSE(sessions_.apply(start("c", 50s, {"10.0.0.0"}), at(80'000s)).late);
    EXPECT_EQ(holder("10.0.0.0"), "c");
}

TEST_F(SessionsTest, TheYoungestRestartsAreRemembered) {
    for (int i = 0; i <= 10'000; ++i) {
        Report on = report(Status::on, "", 100s + std::chrono::seconds(i));
        on.request.nas_identifier = "bras" + std::to_string(i);
        EXPECT_THAT(sessions_.apply(on, at(24h)).ended, IsEmpty());
    }
    EXPECT_THAT(apply(interim("a", 50s)).began, IsEmpty());  // of bras1, the second
    Report first = interim("a", 50s);
    first.request.nas_identifier = "bras0";
    EXPECT_THAT(apply(first).began, testing::SizeIs(1));
}

}  // namespace
}  // namespace sekisho::subscribers
