// SPDX-License-Identifier: Apache-2.0
// Sessions: their beginning, their end, and whose an address is in between.
#include "tests/unit/subscribers/sessions_world.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

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
    apply(report);
    report.request.event_time = midnight + 700s;
    report.request.status = Status::interim;
    apply(report);
    const Session stored = sessions_.find(address("192.0.2.7")).value();
    EXPECT_EQ(stored.held_since, std::vector(2, midnight + 100s));
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
    EXPECT_EQ(again.held_since, stored.held_since);
    EXPECT_EQ(after.held_since(prefix("192.0.2.7/32")), midnight + 100s);
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

}  // namespace
}  // namespace sekisho::subscribers
