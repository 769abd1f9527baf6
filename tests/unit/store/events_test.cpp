// SPDX-License-Identifier: Apache-2.0
// The audit log: what goes in comes out, what is too old or too much goes, and a file that is no use is no
// end.
#include "agent/store/events.h"

#include <gmock/gmock.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/store/files.h"

namespace sekisho::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto first_moment = grants::WallTime(1'700'000'000'000'000'001ns);

Event login_event(std::string_view key, std::string user = "alice", std::string name = "LOGIN_GRANTED") {
    return {.when = first_moment,
            .name = std::move(name),
            .text = "a login opened the port",
            .key = parse_prefix(key).value(),
            .user = std::move(user),
            .reporter = "mail1",
            .protocol = "pop3",
            .rule = "imap",
            .session = 1'234'567'890'123U,
            .lasts = 600s};
}

class EventsTest : public testing::Test {
protected:
    Events open(const EventRetention& retention = {}) {
        auto events = Events::open(file_, retention);
        EXPECT_TRUE(events) << events.error().what;
        return std::move(*events);
    }

    static std::vector<std::uint64_t> ids(const Result<FoundEvents>& found) {
        std::vector<std::uint64_t> all;
        if (!found) {
            ADD_FAILURE() << found.error().what;
            return all;
        }
        for (const Event& each : found->events) {
            all.push_back(each.id);
        }
        return all;
    }

    // The names of the files that were moved aside.
    [[nodiscard]] std::vector<std::string> aside() const {
        std::vector<std::string> names;
        for (const auto& each : std::filesystem::directory_iterator(directory_.path())) {
            if (each.path().filename().string().find(".aside-") != std::string::npos) {
                names.push_back(each.path().filename().string());
            }
        }
        return names;
    }

    Directory directory_;
    std::filesystem::path file_ = directory_ / "events.db";
};

TEST_F(EventsTest, WhatGoesInComesOut) {
    Events events = open();
    events.add(login_event("2001:db8:100::/56", "b\"o\nb\xff"));
    events.add({.when = first_moment + 1s, .name = "GRANTS_IMPORTED", .by = "uid 1000"});
    const auto found = events.find({}, 10);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->events.size(), 2U);
    const Event& login = found->events.front();
    EXPECT_EQ(login.id, 1U);
    EXPECT_EQ(login.when, first_moment);
    EXPECT_EQ(login.name, "LOGIN_GRANTED");
    EXPECT_EQ(login.text, "a login opened the port");
    EXPECT_EQ(login.key, parse_prefix("2001:db8:100::/56").value());
    EXPECT_EQ(login.user, "b\"o\nb\xff");
    EXPECT_EQ(login.reporter, "mail1");
    EXPECT_EQ(login.protocol, "pop3");
    EXPECT_EQ(login.rule, "imap");
    EXPECT_EQ(login.session, 1'234'567'890'123U);
    EXPECT_EQ(login.by, "");
    EXPECT_EQ(login.lasts, 600s);
    EXPECT_FALSE(found->events.back().key);
    EXPECT_EQ(found->events.back().by, "uid 1000");
    EXPECT_EQ(std::filesystem::status(file_).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(EventsTest, TheLastOnesOrThoseAfterOne) {
    Events events = open();
    for (int i = 0; i < 10; i++) {
        events.add(login_event("192.0.2.1/32"));
    }
    EXPECT_THAT(ids(events.find({}, 3)), ElementsAre(8, 9, 10));
    EXPECT_THAT(ids(events.find({.after = 4}, 3)), ElementsAre(5, 6, 7));
    EXPECT_THAT(ids(events.find({.after = 9}, 3)), ElementsAre(10));
    EXPECT_THAT(ids(events.find({.after = 10}, 3)), IsEmpty());
    EXPECT_EQ(events.last(), 10U);
}

TEST_F(EventsTest, PageByPage) {
    Events events = open();
    for (int i = 0; i < 10; i++) {
        events.add(login_event("192.0.2.1/32", i % 2 == 0 ? "alice" : "bob"));  // bob has the even ids
    }
    const auto page = [&events](const EventFilter& filter, std::size_t count) {
        auto found = events.find(filter, count);
        return std::pair(ids(found), found ? found->next : 0);
    };
    using Page = std::pair<std::vector<std::uint64_t>, std::uint64_t>;
    EXPECT_EQ(page({}, 4), (Page{{7, 8, 9, 10}, 7}));
    EXPECT_EQ(page({.before = 7}, 4), (Page{{3, 4, 5, 6}, 3}));
    EXPECT_EQ(page({.before = 3}, 4), (Page{{1, 2}, 0}));
    EXPECT_EQ(page({.before = 1}, 4), (Page{{}, 0}));
    EXPECT_EQ(page({.before = 100}, 1), (Page{{10}, 10}));
    EXPECT_EQ(page({.user = "bob"}, 5), (Page{{2, 4, 6, 8, 10}, 2}));
    EXPECT_EQ(page({.user = "bob"}, 6), (Page{{2, 4, 6, 8, 10}, 0}));
    EXPECT_EQ(page({.after = 2, .user = "bob"}, 2), (Page{{4, 6}, 6}));
    EXPECT_EQ(page({.after = 6, .user = "bob"}, 9), (Page{{8, 10}, 10}));
    EXPECT_EQ(page({.after = 8, .user = "alice"}, 9), (Page{{9}, 10}));
    EXPECT_EQ(page({.after = 10}, 9), (Page{{}, 10}));
    EXPECT_EQ(page({.after = 5'000}, 9), (Page{{}, 10})) << "of a file before this one";
    EXPECT_EQ(page({.after = 2, .before = 6}, 9), (Page{{3, 4, 5}, 5}));
}

TEST_F(EventsTest, ALongSearchIsDoneInParts) {
    Events events = open();
    events.add(login_event("192.0.2.1/32", "bob"));
    for (int i = 0; i < 250'000; i++) {
        events.add(login_event("192.0.2.1/32"));
        if (events.waiting() == Events::most_waiting) {
            ASSERT_TRUE(events.flush());
        }
    }
    events.add(login_event("192.0.2.1/32", "bob", "LOGIN_REFUSED"));
    std::vector<std::uint64_t> all;
    int parts = 0;
    std::uint64_t before = 0;
    do {
        const auto found = events.find({.before = before, .name = "LOGIN_REFUSED"}, 10, 0ms);
        ASSERT_TRUE(found) << found.error().what;
        parts++;
        before = found->next;
        for (const Event& each : found->events) {
            all.push_back(each.id);
        }
    } while (before != 0);
    EXPECT_THAT(all, ElementsAre(250'002));
    EXPECT_EQ(parts, 3) << "100,000 at a time";
    all.clear();
    std::uint64_t after = 1;
    for (parts = 0; after < events.last(); parts++) {
        const auto found = events.find({.after = after, .name = "LOGIN_REFUSED"}, 10, 0ms);
        ASSERT_TRUE(found) << found.error().what;
        after = found->next;
        for (const Event& each : found->events) {
            all.push_back(each.id);
        }
    }
    EXPECT_THAT(all, ElementsAre(250'002));
    EXPECT_EQ(parts, 3);
    EXPECT_EQ(ids(events.find({.user = "bob"}, 10, 1h)).size(), 2U);
    const Prefix key = parse_prefix("192.0.2.1/32").value();
    const Prefix around = parse_prefix("192.0.0.0/16").value();
    for (const Prefix& within : {key, around}) {
        EXPECT_THAT(ids(events.find({.within = within, .name = "LOGIN_REFUSED"}, 10, 1h)),
                    ElementsAre(250'002));
    }
    const auto recent = events.find({.name = "LOGIN_REFUSED", .since = first_moment + 48h}, 10, 0ms);
    ASSERT_TRUE(recent);
    EXPECT_TRUE(recent->events.empty());
    EXPECT_EQ(recent->next, 0U) << "what is older isn't looked at";
}

TEST_F(EventsTest, FiltersGoTogether) {
    Events events = open();
    events.add(login_event("192.0.2.1/32"));                            // 1
    events.add(login_event("192.0.2.1/32", "bob"));                     // 2
    events.add(login_event("192.0.2.200/32", "bob", "LOGIN_REFUSED"));  // 3
    events.add(login_event("192.0.3.1/32", "bob"));                     // 4
    events.add(login_event("c000:200::/56"));  // 5: begins with the octets of 192.0.2.0
    Event other = login_event("192.0.2.9/32");
    other.reporter = "mail2";
    other.when = first_moment + 1h;
    other.session = 9;
    events.add(other);  // 6
    const auto within = [](std::string_view text) { return parse_prefix(text).value(); };
    EXPECT_THAT(ids(events.find({.within = within("192.0.2.1")}, 9)), ElementsAre(1, 2));
    EXPECT_THAT(ids(events.find({.within = within("192.0.2.0/24")}, 9)), ElementsAre(1, 2, 3, 6));
    EXPECT_THAT(ids(events.find({.within = within("0.0.0.0/0")}, 9)), ElementsAre(1, 2, 3, 4, 6));
    EXPECT_THAT(ids(events.find({.within = within("c000::/16")}, 9)), ElementsAre(5));
    EXPECT_THAT(ids(events.find({.user = "bob"}, 9)), ElementsAre(2, 3, 4));
    EXPECT_THAT(ids(events.find({.name = "LOGIN_REFUSED"}, 9)), ElementsAre(3));
    EXPECT_THAT(ids(events.find({.reporter = "mail2"}, 9)), ElementsAre(6));
    EXPECT_THAT(ids(events.find({.since = first_moment + 1s}, 9)), ElementsAre(6));
    EXPECT_THAT(ids(events.find({.after = 2, .within = within("192.0.2.0/24"), .user = "bob"}, 9)),
                ElementsAre(3));
    EXPECT_THAT(ids(events.find({.within = within("192.0.2.0/24"), .user = "bob"}, 9)), ElementsAre(2, 3));
    EXPECT_THAT(ids(events.find({.within = within("192.0.0.0/16"), .user = "bob"}, 9)), ElementsAre(2, 3, 4));
    EXPECT_THAT(ids(events.find({.session = 1'234'567'890'123U}, 9)), ElementsAre(1, 2, 3, 4, 5));
    EXPECT_THAT(ids(events.find({.session = 9}, 9)), ElementsAre(6));
    EXPECT_THAT(ids(events.find({.within = within("192.0.2.0/24"), .session = 9}, 9)), ElementsAre(6));
    EXPECT_THAT(ids(events.find({.session = 8}, 9)), IsEmpty());
    EXPECT_THAT(ids(events.find({.user = "' OR 1 --"}, 9)), IsEmpty());
}

TEST_F(EventsTest, ARestartGoesOn) {
    {
        Events events = open();
        events.add(login_event("192.0.2.1/32"));
        ASSERT_TRUE(events.flush());
        EXPECT_EQ(events.waiting(), 0U);
    }
    Events events = open();
    EXPECT_EQ(events.last(), 1U);
    events.add(login_event("192.0.2.2/32"));
    EXPECT_THAT(ids(events.find({}, 9)), ElementsAre(1, 2));
}

TEST_F(EventsTest, WhatIsTooOldGoes) {
    Events events = open({.time = 1h});
    for (int minute = 0; minute < 120; minute++) {
        Event event = login_event("192.0.2.1/32");
        event.when += std::chrono::minutes(minute);
        events.add(event);
    }
    ASSERT_TRUE(events.flush());
    EXPECT_TRUE(events.expire(first_moment + 90min).value()) << "there may be more";
    EXPECT_EQ(ids(events.find({}, 1000)).front(), 31U);
    EXPECT_FALSE(events.expire(first_moment + 90min).value());
    EXPECT_EQ(ids(events.find({}, 1000)).size(), 90U);
}

TEST_F(EventsTest, WhatCameFastGoesAsFast) {
    Events events = open({.time = 1h});
    for (int i = 0; i < 17'000; i++) {
        events.add(login_event("192.0.2.1/32"));
    }
    ASSERT_TRUE(events.flush());
    int rounds = 0;
    while (events.expire(first_moment + 2h).value()) {
        rounds++;
    }
    EXPECT_EQ(rounds, 4) << "5,000 at a time";
    EXPECT_TRUE(ids(events.find({}, 10)).empty());
}

TEST_F(EventsTest, WhatIsTooMuchGoesAndTheFileGrowsNoFurther) {
    constexpr std::uint64_t limit = std::uint64_t{2} << 20;
    Events events = open({.size = limit});
    std::uintmax_t largest = 0;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 2'000; i++) {
            events.add(login_event("192.0.2.1/32"));
        }
        ASSERT_TRUE(events.flush());
        ASSERT_TRUE(events.expire(first_moment));
        largest = std::max(largest, std::filesystem::file_size(file_));
    }
    EXPECT_LE(largest, 2 * limit);
    const auto kept = ids(events.find({}, 10'000));
    EXPECT_EQ(kept.back(), 80'000U);
    EXPECT_GE(kept.size(), 5'000U);
}

TEST_F(EventsTest, TheLimitHoldsHoweverFastTheyCome) {
    constexpr std::uint64_t limit = std::uint64_t{16} << 20;
    constexpr int more_than_expire_at_once = 10'000;
    Events events = open({.size = limit});
    std::uintmax_t largest = 0;
    for (int round = 0; round < 14; round++) {
        Event event = login_event("192.0.2.1/32");
        event.text.resize(round < 8 ? 20 : 1'000, 'x');  // one long one pushes out many short ones
        for (int i = 0; i < more_than_expire_at_once; i++) {
            events.add(event);
        }
        ASSERT_TRUE(events.flush());
        ASSERT_TRUE(events.expire(first_moment));
        largest = std::max(largest, std::filesystem::file_size(file_));
    }
    EXPECT_LE(largest, 2 * limit);
    const auto kept = ids(events.find({}, 200'000));
    EXPECT_EQ(kept.back(), 140'000U);
    EXPECT_GE(kept.size(), 8'000U);
}

TEST_F(EventsTest, ALowerLimitIsReachedStepByStep) {
    {
        Events events = open();
        for (int i = 0; i < 20'000; i++) {
            events.add(login_event("192.0.2.1/32"));
        }
        ASSERT_TRUE(events.flush());
    }
    Events events = open({.size = std::uint64_t{1} << 20});
    events.add(login_event("192.0.2.1/32"));
    ASSERT_TRUE(events.flush());
    EXPECT_GE(ids(events.find({}, 30'000)).size(), 19'000U) << "no login waits for it";
    while (events.expire(first_moment).value()) {
    }
    EXPECT_LE(ids(events.find({}, 30'000)).size(), 10'000U);
}

TEST_F(EventsTest, AFileThatIsNoUseIsMovedAside) {
    ASSERT_EQ(open().last(), 0U);  // it has the mode of ours
    overwrite(file_, std::string(5000, 'x'));
    Events events = open();
    events.add(login_event("192.0.2.1/32"));
    EXPECT_THAT(ids(events.find({}, 9)), ElementsAre(1));
    ASSERT_EQ(aside().size(), 1U);
    EXPECT_EQ(content(directory_ / aside()[0]), std::string(5000, 'x')) << "nothing is thrown away";
}

TEST_F(EventsTest, SoIsOneOfANewerVersion) {
    for (int i = 0; i < 2; i++) {
        ASSERT_EQ(open().last(), 0U);
        ASSERT_TRUE(Database::open(file_, 0)->run("PRAGMA user_version = 99"));
        EXPECT_EQ(open().last(), 0U);
    }
    EXPECT_EQ(aside().size(), 2U) << "each has a name of its own";
}

TEST_F(EventsTest, WhatASlipNamesStaysWhereItIs) {
    overwrite(file_, std::string(5000, 'x'));  // others may read it
    std::filesystem::permissions(file_, std::filesystem::perms(0644));
    const auto events = Events::open(file_, {});
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().kind, Failure::invalid);
    EXPECT_EQ(content(file_), std::string(5000, 'x'));
    EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(EventsTest, AnotherProgramsFileIsLeftAlone) {
    overwrite(file_, "");
    ASSERT_TRUE(Database::open(file_, 0)->run("CREATE TABLE cookies (name TEXT)"));
    const auto events = Events::open(file_, {});
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().kind, Failure::conflict);
    EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(EventsTest, WhereThereCanBeNoFileItIsSaid) {
    const auto events = Events::open("/proc/nowhere/events.db", {});
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().kind, Failure::unavailable);
}

TEST_F(EventsTest, WhatWaitsIsBounded) {
    Events events = open();
    for (std::size_t i = 0; i < Events::most_waiting + 5; i++) {
        events.add({.when = first_moment, .name = "LOGIN_KEPT"});
    }
    EXPECT_EQ(events.waiting(), Events::most_waiting);
    EXPECT_EQ(events.lost(), 5U);
    EXPECT_THAT(ids(events.find({}, 1)), ElementsAre(Events::most_waiting + 5));
}

TEST_F(EventsTest, WhileSomebodyHoldsTheFileTheyWait) {
    Events events = open();
    auto other = Database::open(file_, 0);
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE"));
    events.add(login_event("192.0.2.1/32"));
    EXPECT_FALSE(events.flush());
    EXPECT_EQ(events.waiting(), 1U);
    ASSERT_TRUE(other->run("ROLLBACK"));
    EXPECT_TRUE(events.flush());
    EXPECT_THAT(ids(events.find({}, 9)), ElementsAre(1));
}

}  // namespace
}  // namespace sekisho::store
