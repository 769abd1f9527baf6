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
    Gate gate_{TriesConfig{}, access_, true,
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

TEST_F(GateTest, WhatTheSubmissionServerAndItsDovecotTellIsOne) {
    Attempt tried = attempt("alice", "192.0.2.7");
    tried.protocol = "smtp";
    for (int i = 0; i < 3; i++) {
        gate_.failed(tried, submission_reporter);
        gate_.failed(tried, "mail1");
    }
    EXPECT_EQ(gate_.counts().failed, 3U);
    gate_.failed(tried, "mail1");  // the other one's word may come later
    gate_.failed(tried, "mail1");
    gate_.failed(tried, submission_reporter);
    EXPECT_EQ(gate_.counts().failed, 5U);
    gate_.failed(tried, submission_reporter);
    gate_.failed(tried, submission_reporter);
    EXPECT_EQ(gate_.counts().failed, 6U) << "one of these is new";
}

TEST(Gate, ANameThatOnlyOneOfThemTellsIsCountedAllTheSame) {
    TriesConfig tries;
    tries.per_user = 2;
    Gate gate(tries, {}, true);
    const Attempt tried{.address = parse_address("192.0.2.7").value(), .user = "anna", .protocol = "smtp"};
    for (int i = 0; i < 2; i++) {
        gate.failed(tried, "mail1");
        Attempt told = tried;
        told.also = {"sales"};
        gate.failed(told, submission_reporter);
    }
    EXPECT_EQ(gate.counts().failed, 2U);
    const auto locked = [&gate](std::string user, std::vector<std::string> also) {
        return gate.locks({.address = parse_address("198.51.100.7").value(),
                           .user = std::move(user),
                           .protocol = "smtp",
                           .also = std::move(also)},
                          submission_reporter);
    };
    EXPECT_TRUE(locked("anna", {}));
    EXPECT_TRUE(locked("sales", {}));
    EXPECT_TRUE(locked("bert", {"sales"}));
    EXPECT_FALSE(locked("bert", {"bert@example.net"}));
    EXPECT_EQ(gate.locked_count(Counted::user), 2U);
}

// Dovecot answers the submission server as if it had been wrong.
TEST(Gate, ARightPasswordThatIsRefusedIsNoTry) {
    TriesConfig tries;
    tries.per_user = 1;
    Gate gate(tries, {}, true);
    gate.failed({.address = parse_address("198.51.100.7").value(), .user = "anna", .protocol = "pop3"},
                "mail1");
    const Attempt right{.address = parse_address("192.0.2.7").value(), .user = "anna", .protocol = "smtp"};
    EXPECT_TRUE(gate.ask(right, Password::right, "mail1").refuses());
    gate.failed(right, submission_reporter);
    EXPECT_EQ(gate.counts().failed, 1U);
    gate.failed(right, submission_reporter);
    EXPECT_EQ(gate.counts().failed, 2U) << "another one";
    // Of what is refused before the password, with words, the submission server says nothing.
    EXPECT_TRUE(gate.ask(right, Password::unknown, "mail1").refuses());
    gate.failed(right, submission_reporter);
    EXPECT_EQ(gate.counts().failed, 3U);
}

TEST_F(GateTest, OthersAreNot) {
    gate_.failed(attempt("alice", "192.0.2.7"), submission_reporter);
    gate_.failed(attempt("alice", "192.0.2.7"), "mail1");
    EXPECT_EQ(gate_.counts().failed, 2U) << "by pop3";
    Attempt tried = attempt("alice", "192.0.2.7");
    tried.protocol = "smtp";
    gate_.failed(tried, "mail1");
    gate_.failed(tried, "mail2");
    EXPECT_EQ(gate_.counts().failed, 4U) << "at two Dovecots";
    tried.user = "";
    gate_.failed(tried, submission_reporter);
    EXPECT_EQ(gate_.counts().failed, 5U) << "of nobody";
}

// What it is asked of after the password, whose reply it is to change.
TEST(Gate, WhoIsLockedIsLockedAtTheSubmissionServer) {
    TriesConfig tries;
    tries.per_address = 3;
    tries.per_user = 0;
    tries.per_network = 0;
    AccessConfig exempt;
    exempt.action = AccessAction::allow;
    exempt.clients = {parse_prefix("192.0.2.9/32").value()};
    Gate gate(tries, {exempt, AccessConfig{}}, false);
    const auto attempt = [](std::string_view from) {
        return Attempt{.address = parse_address(from).value(), .user = "alice", .protocol = "smtp"};
    };
    for (int i = 0; i < 3; i++) {
        EXPECT_FALSE(gate.locks(attempt("192.0.2.7"), submission_reporter)) << i << ", although it is denied";
        gate.failed(attempt("192.0.2.7"), "mail1");
        gate.failed(attempt("192.0.2.9"), "mail1");
    }
    EXPECT_TRUE(gate.locks(attempt("192.0.2.7"), submission_reporter));
    EXPECT_FALSE(gate.locks(attempt("192.0.2.8"), submission_reporter));
    EXPECT_FALSE(gate.locks(attempt("192.0.2.9"), submission_reporter)) << "exempt";
    EXPECT_FALSE(gate.locks({.address = std::nullopt, .user = "alice", .protocol = "smtp"}, "x"));
    EXPECT_EQ(gate.counts().refused, 1U);
}

TEST(Gate, ATarpitLetsTheRightOneIn) {
    TriesConfig tries;
    tries.per_address = 1;
    tries.answer = TriesAnswer::tarpit;
    Gate gate(tries, {}, false);
    const Attempt tried{.address = parse_address("192.0.2.7").value(), .user = "alice", .protocol = "smtp"};
    gate.failed(tried, "mail1");
    EXPECT_FALSE(gate.locks(tried, submission_reporter));
    EXPECT_EQ(gate.counts().delayed, 0U);
}

TEST(Gate, AnMtaBesideTheSubmissionServerIsAnother) {
    Gate gate(TriesConfig{}, {}, false);
    const Attempt tried{.address = parse_address("192.0.2.7").value(), .user = "alice", .protocol = "smtp"};
    gate.failed(tried, submission_reporter);
    gate.failed(tried, "mail1");
    EXPECT_EQ(gate.counts().failed, 2U);
}

TEST(ToldTwice, ForAWhileOnly) {
    ToldTwice told;
    const Attempt tried{.address = parse_address("192.0.2.7").value(), .user = "Alice", .protocol = "smtp"};
    const Moment begin{std::chrono::hours(1)};
    EXPECT_FALSE(told.is_repeated(tried, true, begin));
    EXPECT_TRUE(told.is_repeated({.address = tried.address, .user = "alice", .protocol = "smtp"}, false,
                                 begin + ToldTwice::together));
    EXPECT_FALSE(told.is_repeated(tried, true, begin + ToldTwice::together));
    EXPECT_FALSE(told.is_repeated(tried, false, begin + 3 * ToldTwice::together));
}

TEST(ToldTwice, FullItForgetsWhatIsOld) {
    ToldTwice told;
    const auto by = [&told](std::size_t user, bool submission, Moment now) {
        return told.is_repeated(
            {.address = parse_address("192.0.2.7").value(), .user = std::to_string(user), .protocol = "smtp"},
            submission, now);
    };
    const Moment begin{std::chrono::hours(1)};
    for (std::size_t i = 0; i <= ToldTwice::most; i++) {
        EXPECT_FALSE(by(i, true, begin));
    }
    EXPECT_TRUE(by(0, false, begin));
    EXPECT_FALSE(by(ToldTwice::most, false, begin)) << "it found no room";
    EXPECT_FALSE(by(ToldTwice::most, true, begin + 2 * ToldTwice::together));
    EXPECT_TRUE(by(ToldTwice::most, false, begin + 2 * ToldTwice::together));
}

}  // namespace
}  // namespace sekisho::logins
