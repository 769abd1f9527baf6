// SPDX-License-Identifier: Apache-2.0
// The listener, spoken to over loopback.
#include "agent/logins/dovecot_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "tests/unit/logins/dovecot_bodies.h"
#include "tests/unit/logins/http_listener.h"

namespace sekisho::logins {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view login_body =
    R"({"authed":"ok","login":"alice","mech":"PLAIN","protocol":"pop3","remote":"192.0.2.10","tls":true})";

class DovecotPolicyTest : public tests::HttpListenerTest {
protected:
    DovecotPolicyTest() { fill(config_); }

    void listen() {
        gate_.emplace(tries_, access_, false);
        auto policy = DovecotPolicy::listen(context_.get_executor(), config_, on_login(), settled(), *gate_);
        ASSERT_TRUE(policy) << policy.error().what;
        policy_ = std::move(*policy);
    }

    std::string talk(const std::string& bytes) { return HttpListenerTest::talk(policy_->port(), bytes); }

    static std::string post(std::string_view target, std::string_view body, std::string_view with_key = key,
                            std::string_view more = "") {
        return "POST " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nX-API-Key: " + std::string(with_key) +
               "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n" + std::string(more) + "\r\n" + std::string(body);
    }

    // What becomes of a login by this user from this address, before or after its password was looked at.
    std::string ask(std::string_view user, std::string_view remote, std::string_view protocol = "pop3",
                    std::string_view authed = "") {
        const std::string answer =
            talk(post("/?command=allow", R"({"authed":")" + std::string(authed) + R"(","login":")" +
                                             std::string(user) + R"(","protocol":")" + std::string(protocol) +
                                             R"(","remote":")" + std::string(remote) + R"("})"));
        return answer.substr(answer.find('{'));
    }

    // So many failed logins, in one connection.
    void report(int times, std::string_view user, std::string_view remote, std::string_view more = "",
                bool policy_reject = false) {
        std::string requests;
        for (int i = 0; i < times; i++) {
            requests += post("/?command=report",
                             R"({"login":")" + std::string(user) + R"(","protocol":"pop3","remote":")" +
                                 std::string(remote) + R"(","success":false,"policy_reject":)" +
                                 (policy_reject ? "true" : "false") + std::string(more) + "}",
                             key, "Connection: Keep-Alive\r\n");
        }
        talk(requests);
    }

    DovecotConfig config_;
    std::optional<TriesConfig> tries_;
    std::vector<AccessConfig> access_;
    std::optional<Gate> gate_;
    std::unique_ptr<DovecotPolicy> policy_;
};

TEST_F(DovecotPolicyTest, AReportOfSuccessIsALogin) {
    config_.lifetime = std::chrono::seconds(3);
    listen();
    const std::string body =
        R"({"login":"alice","mech":"PLAIN","protocol":"imap","remote":"2001:db8:100::10","success":true,)"
        R"("policy_reject":false,"tls":true})";
    const std::string answer = talk(post("/?command=report", body));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n{\"status\":0,\"msg\":\"\"}"));
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].user, "alice");
    EXPECT_EQ(events_[0].address, parse_address("2001:db8:100::10").value());
    EXPECT_EQ(events_[0].protocol, "imap");
    EXPECT_EQ(events_[0].mechanism, "PLAIN");
    EXPECT_TRUE(events_[0].tls);
    EXPECT_EQ(events_[0].reporter, "mail1");
    EXPECT_EQ(events_[0].lifetime, std::chrono::seconds(3));
    EXPECT_LT(std::chrono::system_clock::now() - events_[0].when, std::chrono::seconds(30));
    EXPECT_EQ(policy_->counts().granted, 1U);
    EXPECT_EQ(settled_events_, 1U) << "answered when it is on the disk";
}

TEST_F(DovecotPolicyTest, AnAllowWithItsProofIsALogin) {
    config_.proof = {"authed", "ok"};
    listen();
    EXPECT_THAT(talk(post("/policy?command=allow", login_body)), HasSubstr(R"({"status":0,"msg":""})"));
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_THAT(logged(), IsEmpty());
}

// Both requests of one login, in one connection, as Dovecot sends them.
TEST_F(DovecotPolicyTest, EveryRecordedSessionGrantsOnceOrNever) {
    config_.proof = {"authed", "ok"};
    listen();
    for (const Recorded& session : recorded) {
        events_.clear();
        std::string requests;
        for (const Recorded::Message& message : session.messages) {
            requests +=
                post("/?" + std::string(message.query), message.body, key, "Connection: Keep-Alive\r\n");
        }
        const std::string answers = talk(requests);
        std::size_t passed = 0;
        constexpr std::string_view let_pass = R"({"status":0,"msg":""})";
        for (auto at = answers.find(let_pass); at != std::string::npos; at = answers.find(let_pass, at + 1)) {
            passed++;
        }
        EXPECT_EQ(passed, session.messages.size());
        const bool expected = session.right && session.settings[2] == '1';
        EXPECT_EQ(events_.size(), expected ? 1U : 0U) << session.settings << ": " << session.attempt;
    }
    EXPECT_EQ(policy_->counts().rejected, 0U);
    EXPECT_THAT(logged(), IsEmpty());
}

TEST_F(DovecotPolicyTest, ARefusedGrantDoesNotStopTheLogin) {
    config_.proof = {"authed", "ok"};
    verdict_ = fail(Failure::refused, "192.0.2.10 lies in no pool");
    listen();
    EXPECT_THAT(talk(post("/?command=allow", login_body)), HasSubstr(R"({"status":0,"msg":""})"));
    EXPECT_EQ(policy_->counts().granted, 0U);
    EXPECT_EQ(policy_->counts().refused, 1U);
    EXPECT_EQ(policy_->counts().rejected, 0U);
}

TEST_F(DovecotPolicyTest, AWrongOrMissingKeyIsTurnedAway) {
    listen();
    for (const auto* wrong : {"", "for-the-test-onl", "for-the-test-only2", "FOR-THE-TEST-ONLY"}) {
        const std::string answer = talk(post("/?command=report", R"({"success":true})", wrong));
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 401")) << wrong;
        EXPECT_THAT(answer, HasSubstr("auth_policy_server_api_header"));
        EXPECT_THAT(answer, Not(HasSubstr(std::string(key))));
    }
    EXPECT_THAT(talk("POST /?command=report HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
                StartsWith("HTTP/1.1 401"));
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(policy_->counts().rejected, 5U);
    EXPECT_THAT(logged(), HasSubstr("POLICY_WRONG_KEY"));
    EXPECT_THAT(logged(), Not(HasSubstr(std::string(key))));
}

TEST_F(DovecotPolicyTest, AStrangerGetsNoAnswer) {
    config_.reporters = {parse_prefix("127.0.0.2/32").value(), parse_prefix("::1/128").value()};
    listen();
    EXPECT_EQ(talk(post("/?command=report", R"({"success":true})")), "");
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(policy_->counts().rejected, 1U);
    EXPECT_THAT(logged(), HasSubstr("POLICY_STRANGER"));
    EXPECT_THAT(logged(), HasSubstr("127.0.0.1:"));
}

TEST_F(DovecotPolicyTest, BrokenRequestsAreToldWhyAndCounted) {
    listen();
    const std::string broken = talk(post("/?command=report", R"({"login": "al)"));
    EXPECT_THAT(broken, StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(broken, HasSubstr("not JSON"));
    const std::string typed = talk(post("/?command=report", R"({"success":"yes"})"));
    EXPECT_THAT(typed, StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(typed, HasSubstr(R"(\"success\")"));
    EXPECT_THAT(talk(post("/", "{}")), StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(talk("GET /?command=report HTTP/1.1\r\nHost: x\r\nX-API-Key: for-the-test-only\r\n\r\n"),
                StartsWith("HTTP/1.1 405"));
    EXPECT_THAT(talk(post("/?command=report", std::string(longest_policy_body + 1, ' '))),
                StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(policy_->counts().rejected, 4U) << "what is no request of ours is the server's to count";
    EXPECT_THAT(talk(post("/?command=report", R"({"remote":"192.0.2.1","success":true})")),
                StartsWith("HTTP/1.1 200"))
        << "and it goes on";
}

TEST_F(DovecotPolicyTest, ALoginWithoutAnAddressOpensNothing) {
    listen();
    EXPECT_THAT(talk(post("/?command=report", R"({"login":"alice","remote":"","success":true})")),
                StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(policy_->counts().rejected, 1U);
    EXPECT_THAT(logged(), HasSubstr("POLICY_NO_ADDRESS"));
}

TEST_F(DovecotPolicyTest, AnAllowThatCanNeverProveIsToldToTheOperator) {
    config_.proof = {"authed", "ok"};
    listen();
    talk(post("/?command=allow", R"({"login":"alice","remote":"192.0.2.10","authed":""})"));
    EXPECT_THAT(logged(), Not(HasSubstr("POLICY_NO_PROOF"))) << "before the password it is empty";
    talk(post("/?command=allow", R"({"login":"alice","remote":"192.0.2.10"})"));
    EXPECT_THAT(logged(), HasSubstr("POLICY_NO_PROOF"));
    EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DovecotPolicyTest, AFloodDoesNotFillTheLog) {
    listen();
    std::string requests;
    for (int i = 0; i < 500; ++i) {
        requests += post("/?command=report", "nonsense");
    }
    talk(requests);
    EXPECT_EQ(policy_->counts().rejected, 500U);
    const std::string lines = logged();
    EXPECT_LE(std::ranges::count(lines, '\n'), 20);
    EXPECT_THAT(lines, HasSubstr("POLICY_BAD_REQUEST"));
}

constexpr const char* goes_on = R"({"status":0,"msg":""})";
constexpr const char* refused_silently = R"({"status":-1,"msg":""})";
constexpr const char* denied = R"({"status":-1,"msg":"Logins of this kind are not allowed here"})";

TEST_F(DovecotPolicyTest, WhoHasFailedTooOftenIsRefusedAndNeverGrants) {
    config_.proof = {"authed", "ok"};
    tries_.emplace();
    tries_->per_address = 3;
    listen();
    report(2, "alice", "192.0.2.10");
    EXPECT_EQ(ask("alice", "192.0.2.10"), goes_on);
    report(1, "alice", "192.0.2.10");
    const std::string answer = ask("alice", "192.0.2.10");
    EXPECT_THAT(answer, StartsWith(R"({"status":-1,"msg":"Too many logins have failed; try again in )"));
    EXPECT_EQ(ask("bob", "192.0.2.10", "imap", "ok"), refused_silently)
        << "words would tell a guesser that the password was right";
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(ask("bob", "192.0.2.11", "imap", "ok"), goes_on);
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_EQ(policy_->counts().refused, 1U);
    EXPECT_EQ(gate_->counts().failed, 3U);
    EXPECT_EQ(gate_->counts().refused, 2U);
    const std::string lines = logged();
    EXPECT_THAT(lines, HasSubstr("LOCKOUT_BEGAN"));
    EXPECT_THAT(lines, HasSubstr("LOGIN_LOCKED"));
    EXPECT_THAT(lines, HasSubstr("alice from 192.0.2.10 by pop3"));
}

TEST_F(DovecotPolicyTest, ATarpitLetsARightPasswordGrant) {
    config_.proof = {"authed", "ok"};
    tries_.emplace();
    tries_->per_address = 1;
    tries_->answer = TriesAnswer::tarpit;
    tries_->tarpit = std::chrono::seconds(12);
    listen();
    report(1, "alice", "192.0.2.10");
    EXPECT_EQ(ask("alice", "192.0.2.10"), R"({"status":12,"msg":"Too many logins have failed"})");
    EXPECT_EQ(ask("alice", "192.0.2.10", "pop3", "ok"), goes_on) << "there is nothing left to wait for";
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_EQ(gate_->counts().delayed, 2U);
}

TEST_F(DovecotPolicyTest, AReportOfALoginThatIsLockedDoesNotGrant) {
    tries_.emplace();
    tries_->per_address = 2;
    listen();
    report(2, "alice", "192.0.2.10");
    const std::string body = R"({"login":"alice","protocol":"imap","remote":"192.0.2.10","success":true})";
    EXPECT_THAT(talk(post("/?command=report", body)), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(policy_->counts().refused, 1U);
    ASSERT_TRUE(gate_->remove("192.0.2.10"));
    talk(post("/?command=report", body));
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(DovecotPolicyTest, WhatIsNobodysFaultIsNotCounted) {
    tries_.emplace();
    tries_->per_address = 1;
    listen();
    report(5, "alice", "192.0.2.10", "", true);
    for (const char* reason : {"internal", "expired", "disabled", "policy"}) {
        report(5, "alice", "192.0.2.10", R"(,"fail_type":")" + std::string(reason) + "\"");
    }
    report(5, "alice", "");
    EXPECT_EQ(ask("alice", "192.0.2.10"), goes_on);
    for (const char* reason : {"credentials", "account", ""}) {
        report(1, "alice", "192.0.2.10", R"(,"fail_type":")" + std::string(reason) + "\"");
        EXPECT_THAT(ask("alice", "192.0.2.10"), HasSubstr("-1")) << reason;
        ASSERT_TRUE(gate_->remove("192.0.2.10")) << reason;
    }
}

TEST_F(DovecotPolicyTest, AWrongPasswordInEveryRecordedSessionCountsOnceWhereItIsReported) {
    tries_.emplace();
    listen();
    for (const Recorded& session : recorded) {
        const std::uint64_t before = gate_->counts().failed;
        std::string requests;
        for (const Recorded::Message& message : session.messages) {
            requests +=
                post("/?" + std::string(message.query), message.body, key, "Connection: Keep-Alive\r\n");
        }
        talk(requests);
        const bool counted = !session.right && session.settings[4] == '1';
        EXPECT_EQ(gate_->counts().failed - before, counted ? 1U : 0U)
            << session.settings << ": " << session.attempt;
    }
}

TEST_F(DovecotPolicyTest, ASuccessIsRememberedAsTheUsersHome) {
    config_.proof = {"authed", "ok"};
    tries_.emplace();
    tries_->per_user = 4;
    listen();
    talk(post("/?command=report", R"({"login":"alice","remote":"192.0.2.10","success":true})"));
    ask("alice", "198.51.100.1", "imap", "ok");
    for (const char* guesser : {"203.0.113.1", "203.0.114.1", "203.0.115.1", "203.0.116.1"}) {
        report(1, "alice", guesser);
    }
    EXPECT_THAT(ask("alice", "203.0.117.1"), HasSubstr("-1"));
    EXPECT_EQ(ask("alice", "192.0.2.10"), goes_on) << "the report told of it";
    EXPECT_EQ(ask("alice", "198.51.100.1"), goes_on) << "the proven allow told of it";
}

TEST_F(DovecotPolicyTest, TheAccessListRefusesAndNeverGrants) {
    config_.proof = {"authed", "ok"};
    access_ = {
        {.priority = 1,
         .action = AccessAction::deny,
         .clients = {parse_prefix("198.51.100.0/24").value()},
         .users = {},
         .protocols = {"pop3"}},
        {.priority = 2, .action = AccessAction::deny, .clients = {}, .users = {"mallory*"}, .protocols = {}}};
    listen();
    EXPECT_EQ(ask("alice", "198.51.100.9", "pop3"), denied);
    EXPECT_EQ(ask("alice", "198.51.100.9", "pop3", "ok"), refused_silently);
    EXPECT_EQ(ask("mallory@example.net", "", "imap"), denied) << "without an address, too";
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(ask("alice", "198.51.100.9", "imap", "ok"), goes_on);
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_EQ(gate_->counts().denied, 3U);
    EXPECT_THAT(logged(), HasSubstr("LOGIN_DENIED"));
}

TEST_F(DovecotPolicyTest, AnOperatorsAllowForAClientLiftsItsLock) {
    tries_.emplace();
    tries_->per_address = 1;
    access_ = {{.priority = 1,
                .action = AccessAction::allow,
                .clients = {parse_prefix("192.0.2.10").value()},
                .users = {},
                .protocols = {"imap"}}};
    listen();
    report(1, "alice", "192.0.2.10");
    EXPECT_EQ(ask("alice", "192.0.2.10", "imap"), goes_on);
    EXPECT_THAT(ask("alice", "192.0.2.10", "pop3"), HasSubstr("-1"));
}

TEST_F(DovecotPolicyTest, ARefusedGrantIsNoRefusedLogin) {
    config_.proof = {"authed", "ok"};
    tries_.emplace();
    verdict_ = fail(Failure::refused, "192.0.2.10 lies in no pool");
    listen();
    EXPECT_EQ(ask("alice", "192.0.2.10", "pop3", "ok"), goes_on);
    EXPECT_EQ(gate_->counts().refused, 0U);
}

TEST_F(DovecotPolicyTest, AFloodOfRefusalsDoesNotFillTheLog) {
    tries_.emplace();
    tries_->per_address = 1;
    listen();
    report(1, "alice", "192.0.2.10");
    std::string requests;
    for (int i = 0; i < 500; ++i) {
        requests += post("/?command=allow", R"({"login":"alice","remote":"192.0.2.10"})", key,
                         "Connection: Keep-Alive\r\n");
    }
    talk(requests);
    EXPECT_EQ(gate_->counts().refused, 500U);
    EXPECT_LE(std::ranges::count(logged(), '\n'), 20);
}

TEST_F(DovecotPolicyTest, ATakenPortAndAnUnfitKeyFileAreErrors) {
    listen();
    config_.port = policy_->port();
    const auto nothing = [](const grants::LoginEvent&) -> Result<void> { return {}; };
    const auto second = DovecotPolicy::listen(context_.get_executor(), config_, nothing, settled(), *gate_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, Failure::conflict);
    EXPECT_THAT(second.error().what, HasSubstr(std::to_string(config_.port)));
    config_.port = 0;
    ::chmod(key_file_.c_str(), 0644);
    const auto readable = DovecotPolicy::listen(context_.get_executor(), config_, nothing, settled(), *gate_);
    ASSERT_FALSE(readable);
    EXPECT_EQ(readable.error().kind, Failure::invalid);
    config_.key_file = "/nonexistent/policy.key";
    EXPECT_FALSE(DovecotPolicy::listen(context_.get_executor(), config_, nothing, settled(), *gate_));
}

}  // namespace
}  // namespace sekisho::logins
