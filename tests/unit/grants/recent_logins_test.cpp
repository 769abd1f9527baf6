// SPDX-License-Identifier: Apache-2.0
// One login that two report.
#include "agent/grants/recent_logins.h"

#include <gtest/gtest.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

class RecentLoginsTest : public testing::Test {
protected:
    bool again(const std::string& reporter, const std::string& user, std::string_view from,
               std::chrono::nanoseconds after) {
        LoginEvent login;
        login.user = user;
        login.address = address(from);
        login.reporter = reporter;
        return recent_.seen_by_another(login, later(example_now(), after));
    }

    RecentLogins recent_;
};

TEST_F(RecentLoginsTest, TheSecondReportersIsTheSame) {
    EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 0s));
    EXPECT_TRUE(again("submission", "Alice", "192.0.2.7", 1s));
    EXPECT_TRUE(again("mail.log", "alice", "192.0.2.7", 10s));
}

TEST_F(RecentLoginsTest, OneReportersAreDifferent) {
    EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 0s));
    EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 1s));
    EXPECT_TRUE(again("submission", "alice", "192.0.2.7", 11s)) << "of the second";
}

TEST_F(RecentLoginsTest, ManyOfOneMoment) {
    for (int i = 0; i < 3; i++) {
        EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 0s));
    }
    EXPECT_FALSE(again("dovecot", "bob", "192.0.2.7", 11s)) << "the first three are forgotten";
    EXPECT_FALSE(again("submission", "alice", "192.0.2.7", 11s));
}

TEST_F(RecentLoginsTest, AnotherUserAddressOrTimeIsAnotherLogin) {
    EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 0s));
    EXPECT_FALSE(again("submission", "bob", "192.0.2.7", 1s));
    EXPECT_FALSE(again("submission", "alice", "192.0.2.8", 1s));
    EXPECT_FALSE(again("submission", "alice", "192.0.2.7", 10s + 1ns));
    EXPECT_TRUE(again("dovecot", "alice", "192.0.2.7", 11s)) << "of the submission server's, now";
}

TEST_F(RecentLoginsTest, AFloodIsForgottenSooner) {
    EXPECT_FALSE(again("dovecot", "alice", "192.0.2.7", 0s));
    for (std::size_t i = 0; i <= RecentLogins::most; i++) {
        EXPECT_FALSE(again("dovecot", "user" + std::to_string(i), "192.0.2.8", 1s));
    }
    EXPECT_FALSE(again("submission", "alice", "192.0.2.7", 1s));
    EXPECT_TRUE(again("submission", "user9999", "192.0.2.8", 1s));
}

}  // namespace
}  // namespace sekisho::grants
