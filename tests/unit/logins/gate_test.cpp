// SPDX-License-Identifier: Apache-2.0
// What the audit log is told of those who are turned away.
#include "agent/logins/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/written_log.h"

namespace sekisho::logins {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class GateTest : public testing::Test {
protected:
    static Attempt attempt(std::string user, std::string_view from) {
        return {.address = parse_address(from).value(), .user = std::move(user), .protocol = "pop3"};
    }

    void denied(const std::string& user, std::string_view from) {
        EXPECT_TRUE(gate_.ask(attempt(user, from), Password::unknown, "mail1").refuses());
    }

    tests::WrittenLog log_;
    std::vector<std::string> told_;
    std::vector<AccessConfig> access_{AccessConfig{}};  // nobody
    Gate gate_{TriesConfig{}, access_,
               [this](std::string_view name, const std::string&, const Attempt& whose, std::string_view) {
                   told_.push_back(std::string(name) + " " + whose.user + " " + whose.address->text());
               }};
};

TEST_F(GateTest, EachWhoIsTurnedAwayIsToldOfOnce) {
    denied("alice", "192.0.2.7");
    denied("bob", "192.0.2.7");
    denied("alice", "192.0.2.7");
    denied("alice", "192.0.2.8");
    EXPECT_THAT(told_, ElementsAre("LOGIN_DENIED alice 192.0.2.7", "LOGIN_DENIED bob 192.0.2.7",
                                   "LOGIN_DENIED alice 192.0.2.8"));
    EXPECT_EQ(gate_.counts().denied, 4U);
}

TEST_F(GateTest, AnAttackFromEverywhereDoesNotFillIt) {
    for (int i = 0; i < 5'000; i++) {
        denied("user" + std::to_string(i), "192.0.2.7");
    }
    EXPECT_THAT(told_, SizeIs(1'000));
    EXPECT_EQ(gate_.counts().denied, 5'000U);
}

TEST_F(GateTest, EachLockoutIsToldOf) {
    for (const char* const from : {"192.0.2.7", "198.51.100.7"}) {
        for (int i = 0; i < 1'000; i++) {
            gate_.failed(attempt("user" + std::to_string(i % 3), from), "mail1");
        }
    }
    EXPECT_THAT(told_, testing::Contains(testing::StartsWith("LOCKOUT_BEGAN")).Times(testing::Ge(2)));
}

}  // namespace
}  // namespace sekisho::logins
