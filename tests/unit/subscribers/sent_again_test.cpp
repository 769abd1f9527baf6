// SPDX-License-Identifier: Apache-2.0
// Packets that are sent once more.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::IsEmpty;

// Its identifier and authenticator are new (RFC 2866, section 5.2), and it says no time.
class SentAgainTest : public SessionsTest {
protected:
    // It has lasted so long.
    static Report lasting(Report report, std::chrono::seconds time) {
        report.request.session_time = time;
        return report;
    }

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

TEST_F(SentAgainTest, AnInterimAfterAnothersStartTakesNothingBack) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    const Report told = lasting(interim("a", 0s, {"192.0.2.7"}), 99s);
    apply_at(told, 199s);
    apply_at(start("b", 0s, {"192.0.2.7"}), 200s);
    EXPECT_THAT(apply_at(told, 300s).holders, IsEmpty());
    EXPECT_EQ(holder("192.0.2.7"), "b");
    EXPECT_EQ(apply_at(lasting(interim("a", 0s, {"192.0.2.7"}), 220s), 321s).holders.size(), 1U)
        << "one that was made later";
}

TEST_F(SentAgainTest, NorDoesOneThatDoesNotSayHowLongItHasLasted) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(interim("a", 0s, {"192.0.2.7"}), 199s);
    apply_at(start("b", 0s, {"192.0.2.7"}), 200s);
    EXPECT_THAT(apply_at(interim("a", 0s, {"192.0.2.7"}), 258s).holders, IsEmpty());
    EXPECT_EQ(holder("192.0.2.7"), "b");
    EXPECT_EQ(apply_at(interim("a", 0s, {"192.0.2.7"}), 260s).holders.size(), 1U)
        << "no interval is so short";
}

TEST_F(SentAgainTest, AnInterimAfterTheStopTakesNothingFromWhoCameThen) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    apply_at(interim("a", 0s, {"192.0.2.7"}), 199s);
    apply_at(stop("a", 0s), 201s);
    apply_at(start("b", 0s, {"192.0.2.7"}), 203s);
    expect_nothing(apply_at(interim("a", 0s, {"192.0.2.7"}), 205s));
    EXPECT_EQ(holder("192.0.2.7"), "b");
}

TEST_F(SentAgainTest, ATimeThatCannotBeIsNotBelieved) {
    apply_at(start("a", 0s, {"192.0.2.7"}), 100s);
    std::chrono::seconds when = 500s;
    for (const auto lasted : {0s, 100'000s}) {
        apply_at(start("b" + std::to_string(when.count()), 0s, {"192.0.2.7"}), when);
        EXPECT_EQ(apply_at(lasting(interim("a", 0s, {"192.0.2.7"}), lasted), when + 10s).holders.size(), 1U);
        when += 500s;
    }
}

TEST_F(SentAgainTest, AStopEndsNothingOfWhoCameThen) {
    const auto let_go_by = [this](std::string name, std::chrono::seconds when) {
        Report stopped = stop(std::move(name), 0s);
        stopped.request.prefixes = {prefix("192.0.2.7")};
        const Changes changes = apply_at(stopped, when);
        return changes.let_go.empty() ? midnight : changes.let_go.front().time;
    };
    apply_at(start("a", 0s, {"192.0.2.7"}), 50s);
    EXPECT_EQ(let_go_by("a", 100s), midnight) << "it was the holder";
    EXPECT_EQ(let_go_by("a", 105s), midnight + 100s);
    EXPECT_EQ(let_go_by("unknown", 200s), midnight + 200s);
    EXPECT_EQ(let_go_by("unknown", 205s), midnight + 200s);
}

TEST_F(SentAgainTest, ARestartEndsNothingThatBeganThen) {
    for (const Status status : {Status::off, Status::on}) {
        const std::chrono::seconds first = status == Status::off ? 100s : 200s;
        apply_at(report(status, "0", 0s), first);
        apply_at(start("a", 0s, {"192.0.2.7"}), first + 2s);
        expect_nothing(apply_at(report(status, "0", 0s), first + 59s));
        EXPECT_EQ(holder("192.0.2.7"), "a");
        EXPECT_EQ(apply_at(report(status, "1", 0s), first + 59s).ended.size(), 1U) << "another one";
        apply_at(start("a", 0s, {"192.0.2.7"}), first + 60s);
    }
    EXPECT_EQ(apply_at(report(Status::on, "1", 0s), 400s).ended.size(), 1U) << "that was long ago";
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
