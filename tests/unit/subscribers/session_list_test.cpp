// SPDX-License-Identifier: Apache-2.0
// Sessions page by page, and by who and where they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/subscribers/sessions.h"
#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionListTest : public testing::Test {
protected:
    void begin(const char* id, const std::vector<std::string_view>& addresses, const char* user = "",
               const char* client = "bng1") {
        Report report = start(id, 100s, addresses);
        report.request.user = user;
        report.client = client;
        const Changes changes = sessions_.apply(report, at(100s));
        ASSERT_EQ(changes.began.size(), 1U);
        numbers_.push_back(changes.began[0]);
    }

    [[nodiscard]] std::vector<std::string> ids(const SessionFilter& filter) const {
        std::vector<std::string> all;
        for (const Session& session : sessions_.page(filter, 10).sessions) {
            all.push_back(session.session_id);
        }
        return all;
    }

    Sessions sessions_{Sessions::most_looked_at + 10};
    std::vector<std::uint64_t> numbers_;
};

TEST_F(SessionListTest, InTheOrderOfTheirNumbers) {
    EXPECT_THAT(sessions_.list(0, 10), IsEmpty());
    for (const char* const id : {"c", "a", "b"}) {
        begin(id, {});
    }
    const SessionPage first = sessions_.page({}, 2);
    ASSERT_EQ(first.sessions.size(), 2U);
    EXPECT_EQ(first.sessions[0].session_id, "c");
    EXPECT_EQ(first.sessions[1].number, numbers_[1]);
    EXPECT_EQ(first.next, numbers_[2]);
    const SessionPage rest = sessions_.page({.from = first.next}, 2);
    ASSERT_EQ(rest.sessions.size(), 1U);
    EXPECT_EQ(rest.sessions[0].session_id, "b");
    EXPECT_EQ(rest.next, 0U);
    EXPECT_EQ(sessions_.page({}, 3).next, 0U) << "the page is full, and there are no more";
    EXPECT_EQ(sessions_.list(numbers_[1] + 1, 2).size(), 1U);
}

TEST_F(SessionListTest, ThoseThatFit) {
    begin("a", {"192.0.2.7", "2001:db8:100:a00::/56"}, "alice");
    begin("b", {"192.0.2.200"}, "bob");
    begin("c", {"198.51.100.7"}, "alice", "bng10");
    begin("d", {"2001:db8:100:b00::/56"}, "alice");
    EXPECT_THAT(ids({.user = "alice"}), ElementsAre("a", "c", "d"));
    EXPECT_THAT(ids({.user = "ali"}), IsEmpty());
    EXPECT_THAT(ids({.nas = "bng1"}), ElementsAre("a", "b", "d")) << "the client, all its NASes";
    EXPECT_THAT(ids({.nas = sessions_.find(numbers_[2])->nas}), ElementsAre("c"));
    EXPECT_THAT(ids({.within = prefix("192.0.2.0/24")}), ElementsAre("a", "b"));
    EXPECT_THAT(ids({.within = prefix("192.0.2.7/32")}), ElementsAre("a"));
    EXPECT_THAT(ids({.within = prefix("2001:db8:100:a12::/64")}), ElementsAre("a")) << "the one around it";
    EXPECT_THAT(ids({.within = prefix("2001:db8:100::/40"), .user = "alice"}), ElementsAre("a", "d"));
    EXPECT_THAT(ids({.from = numbers_[1], .user = "alice"}), ElementsAre("c", "d"));
    EXPECT_THAT(ids({.user = "alice", .nas = "bng10"}), ElementsAre("c"));
}

TEST_F(SessionListTest, OneSearchLooksAtSoManyOnly) {
    for (std::size_t i = 0; i < Sessions::most_looked_at + 5; i++) {
        ASSERT_FALSE(sessions_.apply(start(std::to_string(i), 100s), at(100s)).refused);
    }
    begin("last", {}, "alice");
    const SessionPage nobody = sessions_.page({.user = "alice"}, 10);
    EXPECT_THAT(nobody.sessions, IsEmpty());
    ASSERT_NE(nobody.next, 0U);
    EXPECT_THAT(ids({.from = nobody.next, .user = "alice"}), ElementsAre("last"));
}

}  // namespace
}  // namespace sekisho::subscribers
