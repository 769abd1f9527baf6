// SPDX-License-Identifier: Apache-2.0
// Sessions: their beginning, their end, and whose an address is in between.
#include "agent/subscribers/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class SessionsTest : public testing::Test {
protected:
    // Comes the moment it was made.
    Changes apply(const Report& report) {
        const auto made = report.request.event_time.value_or(midnight) - midnight;
        return sessions_.apply(report, at(std::max<std::chrono::seconds>(made, now_)));
    }

    // Begins or changes nothing but what the packet says; the number of its session.
    std::uint64_t apply_new(const Report& report) {
        const Changes changes = apply(report);
        EXPECT_EQ(changes.began.size(), 1U);
        return changes.began.empty() ? 0 : changes.began.front();
    }

    static void expect_nothing(const Changes& changes) {
        EXPECT_THAT(changes.holders, IsEmpty());
        EXPECT_THAT(changes.began, IsEmpty());
        EXPECT_THAT(changes.ended, IsEmpty());
        EXPECT_THAT(changes.to_save, IsEmpty());
        EXPECT_FALSE(changes.refused);
    }

    // The session id of who has it; "" if nobody.
    [[nodiscard]] std::string holder(std::string_view text) const {
        const auto session = sessions_.find(address(text));
        return session ? session->session_id : "";
    }

    Sessions sessions_{100};
    std::chrono::seconds now_{};  // packets that were made earlier come now
};

TEST_F(SessionsTest, AStartBeginsASession) {
    Report report = start("a", 100s, {"192.0.2.7", "2001:db8:100:1200::/56"});
    report.request.user = "alice";
    report.request.calling_station = "00-11-22-33-44-55";
    report.request.classes = {"gold"};
    report.request.filters = {"residential", "quiet"};
    const Changes changes = sessions_.apply(report, at(103s));
    ASSERT_EQ(changes.began.size(), 1U);
    const std::uint64_t number = changes.began.front();
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("192.0.2.7"), 0, number},
                                             HolderChange{prefix("2001:db8:100:1200::/56"), 0, number}));
    EXPECT_THAT(changes.to_save, ElementsAre(number));
    EXPECT_THAT(changes.ended, IsEmpty());
    EXPECT_FALSE(changes.late);
    const Session session = sessions_.find(number).value();
    EXPECT_EQ(session.number, number);
    EXPECT_EQ(session.nas, "bras1");
    EXPECT_EQ(session.session_id, "a");
    EXPECT_EQ(session.user, "alice");
    EXPECT_EQ(session.calling_station, "00-11-22-33-44-55");
    EXPECT_THAT(session.classes, ElementsAre("gold"));
    EXPECT_THAT(session.filters, ElementsAre("residential", "quiet"));
    EXPECT_THAT(session.prefixes, ElementsAre(prefix("192.0.2.7"), prefix("2001:db8:100:1200::/56")));
    EXPECT_EQ(session.since, midnight + 100s);
    EXPECT_EQ(session.last_event, midnight + 100s);
    EXPECT_EQ(session.last_heard, midnight + 103s);
    EXPECT_FALSE(session.interim_interval);
    EXPECT_EQ(sessions_.find(address("2001:db8:100:12ff::1")).value().number, number);
    EXPECT_FALSE(sessions_.find(address("2001:db8:100:1300::1")));
    EXPECT_FALSE(sessions_.find(address("192.0.2.8")));
    EXPECT_FALSE(sessions_.find(number + 1));
}

TEST_F(SessionsTest, TheSameOnceMoreChangesNothing) {
    const Report first = start("a", 100s, {"192.0.2.7"});
    apply(first);
    expect_nothing(apply(first));
    now_ = 500s;
    expect_nothing(apply(first));
    expect_nothing(apply(interim("a", 400s, {"192.0.2.7"})));
    EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(SessionsTest, AnInterimBeginsASessionThatIsNotThere) {
    const auto number = apply_new(interim("a", 100s, {"192.0.2.7"}));
    EXPECT_EQ(sessions_.find(address("192.0.2.7")).value().number, number);
    now_ = 200s;
    const Changes changes = apply(start("a", 40s, {"192.0.2.7"}));
    EXPECT_THAT(changes.began, IsEmpty());
    EXPECT_THAT(changes.holders, IsEmpty());
    EXPECT_EQ(sessions_.find(number).value().since, midnight + 40s);
    EXPECT_EQ(sessions_.find(number).value().last_event, midnight + 100s);
}

TEST_F(SessionsTest, AnInterimSaysWhatTheSessionHasOfTheFamiliesItNames) {
    const auto number = apply_new(start("a", 100s, {"192.0.2.7"}));
    EXPECT_THAT(apply(interim("a", 101s, {"2001:db8:1::/64"})).holders,
                ElementsAre(HolderChange{prefix("2001:db8:1::/64"), 0, number}));
    EXPECT_THAT(apply(interim("a", 102s, {"2001:db8:1::/64", "2001:db8:2::/56"})).holders,
                ElementsAre(HolderChange{prefix("2001:db8:2::/56"), 0, number}));
    expect_nothing(apply(interim("a", 103s)));
    const Changes changes = apply(interim("a", 104s, {"192.0.2.8"}));
    EXPECT_THAT(changes.holders, UnorderedElementsAre(HolderChange{prefix("192.0.2.7"), number, 0},
                                                      HolderChange{prefix("192.0.2.8"), 0, number}));
    EXPECT_THAT(changes.to_save, ElementsAre(number));
    EXPECT_THAT(sessions_.find(number).value().prefixes,
                ElementsAre(prefix("192.0.2.8"), prefix("2001:db8:1::/64"), prefix("2001:db8:2::/56")));
}

TEST_F(SessionsTest, AnOlderInterimChangesNoAddressBack) {
    const auto number = apply_new(start("a", 100s, {"192.0.2.7"}));
    apply(interim("a", 300s, {"192.0.2.8"}));
    now_ = 310s;
    const Changes changes = apply(interim("a", 200s, {"192.0.2.7", "192.0.2.9"}));
    EXPECT_THAT(changes.holders, IsEmpty());
    EXPECT_TRUE(changes.late);
    EXPECT_THAT(sessions_.find(number).value().prefixes, ElementsAre(prefix("192.0.2.8")));
}

TEST_F(SessionsTest, AStopEndsTheSession) {
    const auto number = apply_new(start("a", 100s, {"192.0.2.7"}));
    apply(start("b", 100s, {"192.0.2.8"}));
    const Changes changes = apply(stop("a", 200s));
    EXPECT_THAT(changes.ended, ElementsAre(number));
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("192.0.2.7"), number, 0}));
    EXPECT_THAT(changes.to_save, IsEmpty());
    EXPECT_EQ(holder("192.0.2.7"), "");
    EXPECT_EQ(holder("192.0.2.8"), "b");
    EXPECT_FALSE(sessions_.find(number));
    EXPECT_EQ(sessions_.size(), 1U);
    expect_nothing(apply(stop("a", 200s)));
}

TEST_F(SessionsTest, AnotherSessionTakesTheAddress) {
    const auto old = apply_new(start("a", 100s, {"192.0.2.7", "192.0.2.9"}));
    const Changes changes = apply(start("b", 200s, {"192.0.2.7"}));
    ASSERT_EQ(changes.began.size(), 1U);
    EXPECT_THAT(changes.holders, ElementsAre(HolderChange{prefix("192.0.2.7"), old, changes.began.front()}));
    EXPECT_THAT(changes.to_save, ElementsAre(old, changes.began.front()));
    EXPECT_THAT(changes.ended, IsEmpty());
    EXPECT_THAT(sessions_.find(old).value().prefixes, ElementsAre(prefix("192.0.2.9")));
    // The Stop of the old one is late, and no concern of the new one.
    now_ = 300s;
    EXPECT_THAT(apply(stop("a", 150s)).ended, ElementsAre(old));
    EXPECT_EQ(holder("192.0.2.7"), "b");
}

TEST_F(SessionsTest, WhatIsOlderTakesNoAddressBack) {
    apply(start("a", 100s, {"192.0.2.7"}));
    apply(start("b", 200s, {"192.0.2.7"}));
    now_ = 300s;
    EXPECT_TRUE(apply(start("a", 100s, {"192.0.2.7"})).late);
    EXPECT_TRUE(apply(interim("a", 199s, {"192.0.2.7"})).late);
    EXPECT_TRUE(apply(start("c", 150s, {"192.0.2.7"})).late);
    EXPECT_EQ(holder("192.0.2.7"), "b");
    // Nor from nobody.
    apply(stop("b", 310s));
    now_ = 320s;
    EXPECT_TRUE(apply(interim("c", 160s, {"192.0.2.7"})).late);
    EXPECT_EQ(holder("192.0.2.7"), "");
    // But who says later that it has it, has it.
    apply(interim("c", 305s, {"192.0.2.7"}));
    EXPECT_EQ(holder("192.0.2.7"), "c");
}

TEST_F(SessionsTest, WithinASecondTheOrderIsThatOfComing) {
    apply(start("a", 100s, {"192.0.2.7"}));
    apply(start("b", 100s, {"192.0.2.7"}));
    EXPECT_EQ(holder("192.0.2.7"), "b");
    apply(start("a", 100s, {"192.0.2.7"}));
    EXPECT_EQ(holder("192.0.2.7"), "b") << "that was only the first once more";
}

TEST_F(SessionsTest, AnInterimThatComesAfterTheStopBringsNothingBack) {
    apply(start("a", 100s, {"192.0.2.7"}));
    apply(stop("a", 200s));
    now_ = 210s;
    for (const auto made : {150s, 200s, 205s}) {
        const Changes changes = apply(interim("a", made, {"192.0.2.7"}));
        expect_nothing(changes);
        EXPECT_TRUE(changes.late);
    }
    EXPECT_TRUE(apply(start("a", 100s, {"192.0.2.7"})).late);
    EXPECT_EQ(sessions_.size(), 0U);
    // A Start that was made later is another session's.
    EXPECT_NE(apply_new(start("a", 300s, {"192.0.2.7"})), 0U);
    EXPECT_EQ(holder("192.0.2.7"), "a");
}

TEST_F(SessionsTest, AStopMayComeBeforeTheStart) {
    apply(start("old", 50s, {"192.0.2.7"}));
    expect_nothing(apply(stop("a", 200s)));
    now_ = 210s;
    const Changes changes = apply(start("a", 100s, {"192.0.2.7"}));
    EXPECT_THAT(changes.began, IsEmpty());
    EXPECT_TRUE(changes.late);
    EXPECT_EQ(changes.holders.size(), 1U) << "still, it took the address from the session before";
    EXPECT_EQ(holder("192.0.2.7"), "");
}

TEST_F(SessionsTest, AStopOfAnEarlierSessionOfTheNameEndsNothing) {
    apply(start("a", 100s, {"192.0.2.7"}));
    now_ = 110s;
    EXPECT_TRUE(apply(stop("a", 50s)).late);
    EXPECT_EQ(holder("192.0.2.7"), "a");
    apply(stop("a", 98s));  // so much may come of rounding
    EXPECT_EQ(holder("192.0.2.7"), "");
}

TEST_F(SessionsTest, TheNameOfAnotherSubscriberBeginsAnew) {
    Report first = start("a", 100s, {"192.0.2.7"});
    first.request.user = "alice";
    const auto old = apply_new(first);
    Report second = start("a", 200s, {"192.0.2.7"});
    second.request.user = "bob";
    const Changes changes = apply(second);
    EXPECT_THAT(changes.ended, ElementsAre(old));
    ASSERT_EQ(changes.began.size(), 1U);
    EXPECT_EQ(sessions_.find(address("192.0.2.7")).value().number, changes.began.front());
    EXPECT_EQ(sessions_.find(address("192.0.2.7")).value().user, "bob");
    now_ = 210s;
    EXPECT_TRUE(apply(first).late);
    EXPECT_EQ(sessions_.find(address("192.0.2.7")).value().user, "bob");
}

TEST_F(SessionsTest, WhatAnInterimAddsIsKept) {
    const auto number = apply_new(start("a", 100s));
    Report more = interim("a", 200s);
    more.request.user = "alice";
    more.request.classes = {"gold"};
    EXPECT_THAT(apply(more).to_save, ElementsAre(number));
    expect_nothing(apply(interim("a", 300s)));
    EXPECT_EQ(sessions_.find(number).value().user, "alice");
    EXPECT_THAT(sessions_.find(number).value().classes, ElementsAre("gold"));
    now_ = 310s;
    Report late = interim("a", 150s);
    late.request.user = "nobody";
    expect_nothing(apply(late));
    EXPECT_EQ(sessions_.find(number).value().user, "alice");
}

TEST_F(SessionsTest, ANasThatStartsOrEndsHasNoSessionsLeft) {
    for (const Status status : {Status::on, Status::off}) {
        Sessions sessions;
        const auto apply_at = [&sessions](const Report& report) {
            return sessions.apply(report, at(report.request.event_time.value() - midnight));
        };
        apply_at(start("a", 100s, {"192.0.2.7"}));
        apply_at(start("b", 200s, {"192.0.2.8"}));
        apply_at(start("c", 201s, {"192.0.2.9"}));
        Report other = start("a", 100s, {"192.0.2.10"});
        other.request.nas_identifier = "bras10";
        apply_at(other);
        EXPECT_EQ(sessions.apply(report(status, "", 200s), at(210s)).ended.size(), 2U);
        EXPECT_FALSE(sessions.find(address("192.0.2.7")));
        EXPECT_FALSE(sessions.find(address("192.0.2.8")));
        EXPECT_TRUE(sessions.find(address("192.0.2.9"))) << "it has begun since";
        EXPECT_TRUE(sessions.find(address("192.0.2.10"))) << "another NAS";
        EXPECT_TRUE(sessions.apply(start("d", 199s, {"192.0.2.11"}), at(220s)).late);
        EXPECT_FALSE(sessions.find(address("192.0.2.11")));
        EXPECT_EQ(sessions.apply(start("e", 200s, {"192.0.2.11"}), at(220s)).began.size(), 1U);
    }
}

TEST_F(SessionsTest, ANasIsKnownByItsIdentifierElseByItsAddressElseByWhereItSendsFrom) {
    Report report = start("a", 100s);
    report.request.nas = address("203.0.113.1");
    EXPECT_EQ(sessions_.find(apply_new(report)).value().nas, "bras1");
    report.request.nas_identifier.clear();
    EXPECT_EQ(sessions_.find(apply_new(report)).value().nas, "203.0.113.1");
    report.request.nas.reset();
    EXPECT_EQ(sessions_.find(apply_new(report)).value().nas, "198.51.100.1");
}

TEST_F(SessionsTest, TheTimeOfAPacketIsWhenItWasMade) {
    Report report = start("a", 0s);
    const auto since = [this, &report] {
        const Changes changes = sessions_.apply(report, at(1000s));
        const auto made = sessions_.find(changes.began.front()).value().since - midnight;
        EXPECT_EQ(sessions_.apply(stop("a", 1000s), at(1000s)).ended.size(), 1U);
        report.request.session_id += "+";
        return made;
    };
    report.request.session_id = "a";
    report.request.event_time.reset();
    EXPECT_EQ(since(), 1000s);
    report.request.session_id = "b";
    report.request.delay = 30s;
    const Changes changes = sessions_.apply(report, at(1000s));
    EXPECT_EQ(sessions_.find(changes.began.front()).value().since, midnight + 970s);
    const auto since_of = [this](std::string id, std::chrono::sys_seconds event_time,
                                 std::chrono::seconds delay) {
        Report other = start(std::move(id), 0s);
        other.request.event_time = event_time;
        other.request.delay = delay;
        return sessions_.find(sessions_.apply(other, at(1000s)).began.front()).value().since - midnight;
    };
    EXPECT_EQ(since_of("c", midnight + 900s, 30s), 900s);
    EXPECT_EQ(since_of("d", midnight + 1001s, 0s), 1000s) << "the future is now";
    EXPECT_EQ(since_of("e", std::chrono::sys_seconds(86400s), 5s), 995s) << "nobody has set that clock";
    EXPECT_EQ(since_of("f", std::chrono::sys_seconds(0s), std::chrono::seconds(0xFFFFFFFFLL)),
              std::chrono::sys_seconds(0s) - midnight);
}

TEST_F(SessionsTest, OtherStatesSayNothing) {
    expect_nothing(apply(report(Status::other, "a", 100s, {"192.0.2.7"})));
    EXPECT_EQ(sessions_.size(), 0U);
}

// Prefixes within prefixes.

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

// Silence.

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

// Limits.

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

// What is outside.

TEST_F(SessionsTest, ANumberIsNeverGivenTwice) {
    std::uint64_t last = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto number = apply_new(start("a", 100s + std::chrono::seconds(2 * i)));
        EXPECT_GT(number, last);
        last = number;
        apply(stop("a", 101s + std::chrono::seconds(2 * i)));
    }
    // Nor after a restart at which nothing was left to be restored.
    Sessions after;
    EXPECT_GT(after.apply(start("a", 3000s), at(3000s)).began.front(), last);
}

TEST_F(SessionsTest, ComeBackFromAStore) {
    Report report = start("a", 100s, {"192.0.2.7", "2001:db8:1::/64"});
    report.request.user = "alice";
    report.request.calling_station = "line 5";
    report.request.classes = {"gold"};
    report.request.filters = {"f"};
    report.interim_interval = 600s;
    const Session stored = sessions_.find(apply_new(report)).value();
    Sessions after;
    const auto changes = after.restore(stored, at(5000s));
    ASSERT_TRUE(changes);
    EXPECT_THAT(changes->began, IsEmpty());
    const Session again = after.find(address("2001:db8:1::1")).value();
    EXPECT_EQ(again.number, stored.number);
    EXPECT_EQ(again.nas + again.session_id + again.user + again.calling_station, "bras1aaliceline 5");
    EXPECT_EQ(again.classes, stored.classes);
    EXPECT_EQ(again.filters, stored.filters);
    EXPECT_EQ(again.prefixes, stored.prefixes);
    EXPECT_EQ(again.since, stored.since);
    EXPECT_EQ(again.last_event, stored.last_event);
    EXPECT_EQ(again.last_heard, stored.last_heard);
    EXPECT_EQ(again.interim_interval, stored.interim_interval);
    // Nobody could be heard while the box was down.
    expect_nothing(after.sweep(at(5000s + 1800s)));
    EXPECT_TRUE(after.apply(start("b", 50s, {"192.0.2.7"}), at(5001s)).late);
    EXPECT_THAT(after.apply(stop("a", 5002s), at(5002s)).ended, ElementsAre(stored.number));
    EXPECT_GT(after.apply(start("c", 5003s), at(5003s)).began.front(), stored.number);
}

TEST_F(SessionsTest, WhatCannotBeRestoredIsRefused) {
    const auto number = apply_new(start("a", 100s, {"192.0.2.7"}));
    Session stored = sessions_.find(number).value();
    EXPECT_EQ(sessions_.restore(stored, at(100s)).error().kind, Failure::conflict);
    stored.session_id = "b";
    EXPECT_EQ(sessions_.restore(stored, at(100s)).error().kind, Failure::conflict);
    stored.number = 0;
    EXPECT_EQ(sessions_.restore(stored, at(100s)).error().kind, Failure::invalid);
    stored.number = number + 5;
    EXPECT_EQ(Sessions(0).restore(stored, at(100s)).error().kind, Failure::unavailable);
    // Of two that have an address, who had it last keeps it.
    stored.last_event += 1s;
    const auto changes = sessions_.restore(stored, at(200s));
    ASSERT_TRUE(changes);
    EXPECT_THAT(changes->holders, ElementsAre(HolderChange{prefix("192.0.2.7"), number, number + 5}));
    EXPECT_THAT(changes->to_save, ElementsAre(number, number + 5));
    EXPECT_GT(apply_new(start("c", 100s)), number + 5);
}

TEST_F(SessionsTest, TwoClientsMayCallTheirNasAlike) {
    Report one = start("1", 100s, {"192.0.2.7"});
    Report other = start("1", 100s, {"192.0.2.8"});
    one.client = "north";
    other.client = "south";
    apply_new(one);
    apply_new(other);
    EXPECT_EQ(sessions_.find(address("192.0.2.7"))->nas, "north/bras1");
    Report restart = report(Status::on, "", 200s);
    restart.client = "south";
    EXPECT_EQ(apply(restart).ended.size(), 1U);
    EXPECT_EQ(holder("192.0.2.7"), "1");
    EXPECT_EQ(holder("192.0.2.8"), "");
}

TEST_F(SessionsTest, AnInterimAfterTheRestartShowsThatItWasNone) {
    apply_new(start("a", 100s, {"192.0.2.7"}));
    EXPECT_EQ(apply(report(Status::on, "", 200s)).ended.size(), 1U);
    EXPECT_TRUE(apply(interim("a", 150s, {"192.0.2.7"})).late);
    EXPECT_EQ(holder("192.0.2.7"), "");
    EXPECT_EQ(apply(interim("a", 300s, {"192.0.2.7"})).began.size(), 1U);
    EXPECT_EQ(holder("192.0.2.7"), "a");
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

TEST_F(SessionsTest, AnotherTelephoneIsAnotherSubscriber) {
    Report begins = start("a", 100s, {"192.0.2.7"});
    begins.request.calling_station = "00-11-22-33-44-55";
    const std::uint64_t first = apply_new(begins);
    Report other = interim("a", 200s, {"192.0.2.7"});
    other.request.calling_station = "00-11-22-33-44-66";
    const Changes changes = apply(other);
    EXPECT_THAT(changes.ended, ElementsAre(first));
    EXPECT_EQ(changes.began.size(), 1U);
}

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
