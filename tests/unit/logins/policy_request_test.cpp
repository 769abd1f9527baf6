// SPDX-License-Identifier: Apache-2.0
// What Dovecot says, and which of it is a login.
#include "agent/logins/policy_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/logins/dovecot_bodies.h"

namespace sekisho::logins {
namespace {

using testing::HasSubstr;

using Proof = std::optional<std::pair<std::string, std::string>>;

const Proof no_proof;
const Proof authed_ok = std::pair<std::string, std::string>("authed", "ok");

PolicyRequest parsed(std::string_view query, std::string_view body, const Proof& proof = no_proof) {
    auto request = parse_policy_request(query, body, proof);
    EXPECT_TRUE(request) << request.error().what;
    return request.value_or(PolicyRequest{});
}

Error refused(std::string_view query, std::string_view body, const Proof& proof = no_proof) {
    const auto request = parse_policy_request(query, body, proof);
    EXPECT_FALSE(request) << body;
    return request ? Error{} : request.error();
}

int logins(const Recorded& session, const Proof& proof) {
    int found = 0;
    for (const Recorded::Message& message : session.messages) {
        found += is_login(parsed(message.query, message.body, proof), proof.has_value()) ? 1 : 0;
    }
    return found;
}

TEST(Recorded, HasWhatTheTestsNeed) {
    EXPECT_EQ(recorded.size(), 35U);
}

TEST(Recorded, AWrongPasswordIsNeverALogin) {
    for (const Recorded& session : recorded) {
        if (!session.right) {
            EXPECT_EQ(logins(session, authed_ok), 0) << session.settings << ": " << session.attempt;
            EXPECT_EQ(logins(session, no_proof), 0) << session.settings << ": " << session.attempt;
        }
    }
}

TEST(Recorded, ARightOneIsALoginOnceWhereItCanBeKnown) {
    for (const Recorded& session : recorded) {
        if (session.right) {
            const bool asked_after = session.settings[2] == '1';
            const bool reported = session.settings[4] == '1';
            EXPECT_EQ(logins(session, authed_ok), asked_after ? 1 : 0)
                << session.settings << ": " << session.attempt;
            EXPECT_EQ(logins(session, no_proof), reported ? 1 : 0)
                << session.settings << ": " << session.attempt;
        }
    }
}

TEST(Recorded, TheMembersAreRead) {
    const PolicyRequest request = parsed(
        "command=report",
        R"({"authed":"ok","device_id":"","login":"alice","mech":"APOP","protocol":"pop3","pwhash":"0c7a",)"
        R"("remote":"192.0.2.10","session":"zY6M8PtggpPAAAIK","success":true,"policy_reject":false,"tls":false})",
        authed_ok);
    EXPECT_EQ(request.command, PolicyCommand::report);
    EXPECT_EQ(request.login, "alice");
    EXPECT_EQ(request.remote, parse_address("192.0.2.10").value());
    EXPECT_EQ(request.remote_text, "192.0.2.10");
    EXPECT_EQ(request.protocol, "pop3");
    EXPECT_EQ(request.mechanism, "APOP");
    EXPECT_TRUE(request.success);
    EXPECT_FALSE(request.policy_reject);
    EXPECT_FALSE(request.tls);
    EXPECT_TRUE(request.has_proof);
    EXPECT_TRUE(request.proven);
}

// The default attributes of 2.4, whose report names the kind of failure.
TEST(PolicyRequest, OfDovecot24) {
    const PolicyRequest good = parsed(
        "command=report",
        R"({"device_id":"","fail_type":"","login":"alice","protocol":"imap","pwhash":"05b4",)"
        R"("remote":"2001:db8:100::10","session_id":"Co+R8Ptg3LsgAQ24AQAKAAAAAAAAAAAQ","success":true,)"
        R"("policy_reject":false,"tls":true})");
    EXPECT_TRUE(is_login(good, false));
    EXPECT_TRUE(good.tls);
    const PolicyRequest bad = parsed(
        "command=report",
        R"({"device_id":"","fail_type":"credentials","login":"alice","protocol":"imap","pwhash":"05b4",)"
        R"("remote":"2001:db8:100::10","session_id":"x","success":false,"policy_reject":false,"tls":true})");
    EXPECT_FALSE(is_login(bad, false));
    EXPECT_EQ(bad.fail_type, "credentials");
    EXPECT_TRUE(is_failed_try(bad));
    EXPECT_FALSE(is_failed_try(good));
}

TEST(PolicyRequest, AFailedTryIsAReportOfAWrongPasswordOrNoUser) {
    const auto tried = [](std::string_view members, std::string_view query = "command=report") {
        return is_failed_try(parsed(query, "{" + std::string(members) + "}"));
    };
    EXPECT_TRUE(tried(R"("success":false)"));
    EXPECT_TRUE(tried(R"("success":false,"fail_type":"")")) << "a wrong answer to CRAM-MD5";
    EXPECT_TRUE(tried(R"("success":false,"fail_type":"account")"));
    EXPECT_TRUE(tried(R"("success":false,"fail_type":"of a later Dovecot")"));
    EXPECT_FALSE(tried(R"("success":false,"policy_reject":true)"));
    EXPECT_FALSE(tried(R"("success":true)"));
    EXPECT_FALSE(tried(R"("success":false)", "command=allow"));
    for (const char* reason : {"internal", "expired", "disabled", "policy"}) {
        EXPECT_FALSE(tried(R"("success":false,"fail_type":")" + std::string(reason) + "\"")) << reason;
    }
    refused("command=report", R"({"success":false,"fail_type":3})");
}

TEST(PolicyRequest, OnlyTheExactProofProves) {
    const auto proven = [](std::string_view member) {
        const PolicyRequest request =
            parsed("command=allow", R"({"login":"alice","remote":"192.0.2.1")" + std::string(member) + "}",
                   authed_ok);
        EXPECT_EQ(request.has_proof, !member.empty());
        return is_login(request, true);
    };
    EXPECT_TRUE(proven(R"(,"authed":"ok")"));
    EXPECT_FALSE(proven(""));
    EXPECT_FALSE(proven(R"(,"authed":"")"));
    EXPECT_FALSE(proven(R"(,"authed":null)"));
    EXPECT_FALSE(proven(R"(,"authed":"OK")"));
    EXPECT_FALSE(proven(R"(,"authed":"ok ")"));
    EXPECT_FALSE(proven(R"(,"authed":"okay")"));
    EXPECT_FALSE(proven(R"(,"authed":"ok\u0000")"));
}

TEST(PolicyRequest, AProofNestedElsewhereProvesNothing) {
    const PolicyRequest request =
        parsed("command=allow",
               R"({"login":"\",\"authed\":\"ok","attrs":{"authed":"ok"},"remote":"192.0.2.1"})", authed_ok);
    EXPECT_FALSE(request.has_proof);
    EXPECT_FALSE(is_login(request, true));
    EXPECT_EQ(request.login, R"(","authed":"ok)");
}

TEST(PolicyRequest, AnAllowWithoutAConfiguredProofIsNoLogin) {
    EXPECT_FALSE(is_login(parsed("command=allow", R"({"login":"a","authed":"ok","success":true})"), false));
}

TEST(PolicyRequest, AReportIsNoLoginWhereAProofIsConfigured) {
    EXPECT_FALSE(is_login(parsed("command=report", R"({"authed":"ok","success":true})", authed_ok), true));
}

TEST(PolicyRequest, ASuccessThatAPolicyServerRejectedIsNoLogin) {
    EXPECT_FALSE(is_login(parsed("command=report", R"({"success":true,"policy_reject":true})"), false));
    EXPECT_FALSE(is_login(parsed("command=report", R"({"login":"alice"})"), false));
}

TEST(PolicyRequest, OneOrTheOtherCommand) {
    EXPECT_EQ(parsed("command=allow", "{}").command, PolicyCommand::allow);
    EXPECT_EQ(parsed("site=1&command=report", "{}").command, PolicyCommand::report);
    for (const auto* query : {"", "command", "command=", "command=ALLOW", "command=allow&", "command=delete",
                              "command=allow&x=1", "xcommand=allow", "command=allow%20"}) {
        const Error error = refused(query, "{}");
        EXPECT_EQ(error.kind, Failure::invalid) << query;
        EXPECT_THAT(error.remedy, HasSubstr("auth_policy_server_url"));
    }
}

TEST(PolicyRequest, WhatIsNoObjectIsAnError) {
    for (const auto* body :
         {"", " ", "null", "[]", "1", "\"x\"", "{", "{}x", "{}{}", "{\"login\":}", "{\"login\":\"\xff\"}",
          "{'login':'x'}", "{\"login\":\"a\nb\"}", "{\"a\":[[[[[[[[1]]]]]]]]}"}) {
        EXPECT_EQ(refused("command=report", body).kind, Failure::invalid) << body;
    }
    const std::string nested(4000, '[');
    EXPECT_EQ(refused("command=report", R"({"x":)" + nested).kind, Failure::invalid);
}

TEST(PolicyRequest, AWrongTypeIsAnErrorThatNamesTheMember) {
    for (const auto* member :
         {"login", "remote", "protocol", "mech", "success", "policy_reject", "tls", "authed"}) {
        for (const auto* value : {"1", "[]", "{}", "1.5"}) {
            const std::string body = "{\"" + std::string(member) + "\":" + value + "}";
            EXPECT_THAT(refused("command=report", body, authed_ok).what, HasSubstr(member)) << body;
        }
    }
    EXPECT_THAT(refused("command=report", R"({"login":true})").what, HasSubstr("login"));
    EXPECT_THAT(refused("command=report", R"({"success":"true"})").what, HasSubstr("success"));
    EXPECT_THAT(refused("command=allow", R"({"authed":true})", authed_ok).what, HasSubstr("authed"));
}

TEST(PolicyRequest, UnknownMembersAreIgnored) {
    const PolicyRequest request =
        parsed("command=report", R"({"success":true,"new":{"deep":[1,2,{"x":null}]},"authed":17})");
    EXPECT_TRUE(is_login(request, false));
}

TEST(PolicyRequest, NullIsNothing) {
    const PolicyRequest request =
        parsed("command=report", R"({"login":null,"remote":null,"success":null,"tls":null})");
    EXPECT_EQ(request.login, "");
    EXPECT_FALSE(request.remote);
    EXPECT_FALSE(request.success);
    EXPECT_FALSE(request.tls);
}

TEST(PolicyRequest, TlsInAllItsForms) {
    const auto tls = [](const std::string& value) {
        return parsed("command=report", R"({"tls":)" + value + "}").tls;
    };
    EXPECT_TRUE(tls("true"));
    EXPECT_TRUE(tls(R"("TLS")"));
    EXPECT_TRUE(tls(R"("TLSv1.3")"));
    EXPECT_FALSE(tls("false"));
    EXPECT_FALSE(tls(R"("")"));
}

TEST(PolicyRequest, Addresses) {
    const auto remote = [](const std::string& value) {
        return parsed("command=report", R"({"remote":")" + value + "\"}").remote;
    };
    EXPECT_EQ(remote("::ffff:192.0.2.1"), parse_address("192.0.2.1").value());
    EXPECT_EQ(remote("2001:DB8::1"), parse_address("2001:db8::1").value());
    for (const auto* wrong :
         {"", "localhost", "192.0.2.1:110", "192.0.2.1/32", " 192.0.2.1", "fe80::1%eth0"}) {
        EXPECT_FALSE(remote(wrong)) << wrong;
    }
}

TEST(PolicyRequest, LimitsOfSize) {
    const auto login = [](std::size_t size) { return R"({"login":")" + std::string(size, 'u') + "\"}"; };
    EXPECT_EQ(parsed("command=report", login(255)).login.size(), 255U);
    EXPECT_THAT(refused("command=report", login(256)).what, HasSubstr("255"));
    const std::string padding(longest_policy_body - 2, ' ');
    EXPECT_TRUE(parse_policy_request("command=report", "{" + padding + "}", no_proof));
    EXPECT_THAT(refused("command=report", "{ " + padding + "}").what, HasSubstr("16384"));
}

}  // namespace
}  // namespace sekisho::logins
