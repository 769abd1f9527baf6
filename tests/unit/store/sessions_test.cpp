// SPDX-License-Identifier: Apache-2.0
// Sessions in the store.
#include <gmock/gmock.h>

#include "agent/store/session_rows.h"
#include "tests/unit/store/files.h"

namespace sekisho::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionsInStoreTest : public testing::Test {
protected:
    [[nodiscard]] Store open() const {
        auto store = Store::open(file_);
        EXPECT_TRUE(store) << store.error().what;
        return std::move(store).value();
    }

    void run(const std::string& sql) const {
        ASSERT_TRUE(Database::open(file_, 1000).value().run(sql.c_str()));
    }

    [[nodiscard]] std::vector<std::uint64_t> numbers(const Store& store) const {
        std::vector<std::uint64_t> all;
        for (const subscribers::Session& each : sessions_in(store)) {
            all.push_back(each.number);
        }
        return all;
    }

    Directory directory_;
    std::filesystem::path file_ = directory_ / "agent.db";
};

void expect_same(const subscribers::Session& one, const subscribers::Session& other) {
    EXPECT_EQ(one.number, other.number);
    EXPECT_EQ(one.nas, other.nas);
    EXPECT_EQ(one.session_id, other.session_id);
    EXPECT_EQ(one.user, other.user);
    EXPECT_EQ(one.calling_station, other.calling_station);
    EXPECT_EQ(one.classes, other.classes);
    EXPECT_EQ(one.filters, other.filters);
    EXPECT_EQ(one.prefixes, other.prefixes);
    EXPECT_EQ(one.held_since, other.held_since);
    EXPECT_EQ(one.since, other.since);
    EXPECT_EQ(one.last_event, other.last_event);
    EXPECT_EQ(one.last_heard, other.last_heard);
    EXPECT_EQ(one.interim_interval, other.interim_interval);
}

TEST_F(SessionsInStoreTest, WhatGoesInComesOutInTheOrderOfTheNumbers) {
    subscribers::Session bare{.number = std::uint64_t{1} << 47,
                              .nas = "198.51.100.1",
                              .session_id = "x",
                              .user = {},
                              .calling_station = {},
                              .classes = {},
                              .filters = {},
                              .prefixes = {},
                              .interim_interval = {}};
    ASSERT_TRUE(open().apply({}, {.saved = {bare, session(7)}, .ended = {}}));
    const auto sessions = sessions_in(open());
    ASSERT_EQ(sessions.size(), 2U);
    expect_same(sessions[0], session(7));
    expect_same(sessions[1], bare);
}

TEST_F(SessionsInStoreTest, LaterWordsReplaceEarlierOnesAndAnEndIsTheLast) {
    Store store = open();
    ASSERT_TRUE(store.apply({}, {.saved = {session(7), session(8), session(9)}, .ended = {}}));
    ASSERT_TRUE(store.apply({}, {.saved = {session(7, "other"), session(8)}, .ended = {8}}));
    EXPECT_THAT(numbers(store), ElementsAre(7, 9));
    EXPECT_EQ(sessions_in(store)[0].session_id, "other");
    ASSERT_TRUE(store.apply({}, {.saved = {}, .ended = {7, 9, 100}}));
    EXPECT_THAT(numbers(store), IsEmpty());
}

TEST_F(SessionsInStoreTest, TogetherWithGrantsItIsAllOrNothing) {
    Store store = open();
    run("CREATE TRIGGER no BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END");
    EXPECT_FALSE(store.apply({save(grant("192.0.2.1/32"))}, {.saved = {session(7)}, .ended = {}}));
    EXPECT_EQ(store.owed(), 2U);
    EXPECT_THAT(grants_in(open()), IsEmpty());
    run("DROP TRIGGER no");
    ASSERT_TRUE(store.flush());
    EXPECT_EQ(store.owed(), 0U);
    EXPECT_EQ(grants_in(store).size(), 1U);
    EXPECT_THAT(numbers(store), ElementsAre(7));
}

TEST_F(SessionsInStoreTest, ARowThatCantBeUnderstoodIsLeftOut) {
    ASSERT_TRUE(open().apply({}, {.saved = {session(7), session(8, "other")}, .ended = {}}));
    for (const char* sql : {"UPDATE sessions SET prefixes = 'x' WHERE number = 7",
                            "UPDATE sessions SET prefixes = '192.0.2.7/32@' WHERE number = 7",
                            "UPDATE sessions SET prefixes = '192.0.2.7/32@7x' WHERE number = 7",
                            "UPDATE sessions SET prefixes = '::ffff:192.0.2.7/128' WHERE number = 7",
                            "UPDATE sessions SET prefixes = '', classes = x'31' WHERE number = 7"}) {
        run(sql);
        const Store store = open();
        EXPECT_EQ(store.each_session([](const subscribers::Session&) {}).value(), 1U);
        EXPECT_THAT(numbers(store), ElementsAre(8));
    }
}

TEST(Labels, OnlyWhatWasWrittenIsRead) {
    EXPECT_EQ(read_labels("").value(), std::vector<std::string>());
    EXPECT_EQ(read_labels("0:,2:a,,").value(), (std::vector<std::string>{"", "a,"}));
    for (const char* wrong : {"1", "1:", "1:a", "1:a;", "2:a,", ":a,", "-1:a,", "1a,",
                              "99999999999999999999:a,", "18446744073709551615:a,", "1:a,x"}) {
        EXPECT_FALSE(read_labels(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace sekisho::store
