// SPDX-License-Identifier: Apache-2.0
// The client against our own server, and against servers that break.
#include "smtpd/sasl/auth_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "tests/unit/sasl/harness.h"

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using tests::LineSocket;
using tests::text;
using Clock = std::chrono::steady_clock;

class AuthClientTest : public ::testing::Test {
protected:
    [[nodiscard]] std::filesystem::path socket() const { return directory_ / "auth.sock"; }
    tests::Directory directory_;
    tests::Runner runner_;
};

TEST_F(AuthClientTest, PlainAndLogin) {
    tests::TestServer server(runner_, directory_.path());
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(text(client.plain("Anna", "correct horse")), "ok anna");
    EXPECT_EQ(text(client.plain("anna", "wrong")), "fail");
    const AuthStep user = client.begin_login(std::nullopt).get();
    ASSERT_EQ(text(user), "continue VXNlcm5hbWU6");
    const std::uint32_t id = std::get<AuthContinue>(user).id;
    ASSERT_EQ(text(client.respond(id, to_base64("bert"))), "continue UGFzc3dvcmQ6");
    EXPECT_EQ(text(client.respond(id, to_base64("correct horse"))), "ok bert");
    EXPECT_EQ(text(client.respond(id, "eA==")), "temporary") << "that request has ended";
    EXPECT_EQ(server.connections(), 1U) << "one connection for all";
}

TEST_F(AuthClientTest, ManyAtOnce) {
    const tests::TestServer server(runner_, directory_.path());
    tests::TestClient client(runner_, socket());
    std::vector<std::future<AuthStep>> steps;
    for (int i = 0; i < 60; i++) {
        steps.push_back(client.begin_plain(i % 2 != 0 ? "anna" : "bert",
                                           i % 3 != 0 ? "correct horse" : "wrong",
                                           "192.0.2." + std::to_string(i)));
    }
    for (std::size_t i = 0; i < steps.size(); i++) {
        EXPECT_EQ(text(steps[i].get()), i % 3 == 0 ? "fail" : i % 2 != 0 ? "ok anna" : "ok bert");
    }
}

TEST_F(AuthClientTest, WhatIsNoBase64IsNotSent) {
    tests::TestServer server(runner_, directory_.path());
    tests::TestClient client(runner_, socket());
    for (const std::string& initial :
         {std::string("x\ty"), std::string("x\nCPID\t1"), std::string(20'000, 'A')}) {
        EXPECT_EQ(text(client.begin_login(initial).get()), "fail");
    }
    const AuthStep step = client.begin_login(std::nullopt).get();
    const std::uint32_t id = std::get<AuthContinue>(step).id;
    EXPECT_EQ(text(client.respond(id, "a\nb")), "fail");
    EXPECT_EQ(text(client.respond(id, "eA==")), "temporary");
    EXPECT_EQ(text(client.plain("anna", "correct horse")), "ok anna");
    EXPECT_EQ(server.counts().broken, 0U);
}

TEST_F(AuthClientTest, CancelledRequestsAreForgotten) {
    const tests::TestServer server(runner_, directory_.path(), AuthLimits{.requests = 1});
    tests::TestClient client(runner_, socket());
    for (int i = 0; i < 3; i++) {
        const AuthStep step = client.begin_login(std::nullopt).get();
        ASSERT_EQ(text(step), "continue VXNlcm5hbWU6");
        client.cancel(std::get<AuthContinue>(step).id);
    }
}

TEST_F(AuthClientTest, MechanismsThatAreNotOfferedFailForNow) {
    const tests::TestServer server(runner_, directory_.path());
    tests::TestClient client(runner_, socket());
    AuthRequest request;
    request.mechanism = "SCRAM-SHA-256";
    const AuthStep step = client.begin(request).get();
    EXPECT_EQ(text(step), "temporary");
    EXPECT_THAT(std::get<AuthFail>(step).reason, HasSubstr("SCRAM-SHA-256"));
}

TEST_F(AuthClientTest, AServerThatIsAwayFailsAtOnceAndIsFoundAgain) {
    tests::TestClient client(runner_, socket());
    for (int round = 0; round < 3; round++) {
        const auto begin = Clock::now();
        const AuthStep step = client.plain("anna", "correct horse");
        EXPECT_EQ(text(step), "temporary");
        EXPECT_THAT(std::get<AuthFail>(step).reason, HasSubstr(socket().string()));
        EXPECT_LT(Clock::now() - begin, 2s);
        const tests::TestServer server(runner_, directory_.path());
        EXPECT_EQ(text(client.plain("anna", "correct horse")), "ok anna");
    }
}

TEST_F(AuthClientTest, ManyWaitForOneHandshake) {
    tests::TestServer server(runner_, directory_.path());
    tests::TestClient client(runner_, socket());
    std::vector<std::future<AuthStep>> steps;
    for (int i = 0; i < 10; i++) {
        steps.push_back(client.begin_plain("bert", "correct horse"));
    }
    for (auto& step : steps) {
        EXPECT_EQ(text(step.get()), "ok bert");
    }
    EXPECT_EQ(server.counts().connections, 1U);
}

// A server that is a script: what it says to each connection is up to the test.
class Script {
public:
    explicit Script(const std::filesystem::path& path)
        : listener_(listen_unix({.path = path, .mode = 0600, .type = SOCK_STREAM, .group = {}}).value()) {}
    LineSocket accept() {
        pollfd one{listener_.get(), POLLIN, 0};
        if (::poll(&one, 1, 10'000) != 1) {
            throw std::runtime_error("nobody connects");
        }
        return LineSocket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

private:
    Descriptor listener_;
};

constexpr const char* handshake =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n";

TEST_F(AuthClientTest, SaysAllThatTheServerMayWantToKnow) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    auto step = client.begin_plain("anna", "secret00");
    auto server = script.accept();
    server.send(handshake);
    EXPECT_EQ(server.line(), "VERSION\t1\t1");
    EXPECT_EQ(server.line(), "CPID\t" + std::to_string(::getpid()));
    EXPECT_EQ(
        server.line(),
        "AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tlip=198.51.100.25\trip=192.0.2.1\trport=40000\t"
        "session=test\tfinal-resp-ok\tresp=AGFubmEAc2VjcmV0MDA=");
    // Answers to others, unknown words, and only then the answer.
    server.send("OK\t2\tuser=eve\nNEWS\t1\nFAIL\t3\nOK\t1\tuser=anna\nOK\t1\tuser=eve\n");
    EXPECT_EQ(text(step.get()), "ok anna");
}

TEST_F(AuthClientTest, RemembersWhatMayBeOffered) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    EXPECT_THAT(client.mechanisms(), testing::IsEmpty());
    client.connect();
    client.connect();
    auto server = script.accept();
    server.send(
        "VERSION\t1\t2\nMECH\tLOGIN\tplaintext\nMECH\tXOAUTH2\nMECH\tPLAIN\tplaintext\n"
        "MECH\tAPOP\tprivate\tdictionary\tactive\nMECH\tANONYMOUS\tanonymous\nMECH\tCRAM-MD5\tactive\n"
        "MECH\tSCRAM-SHA-1\tmutual-auth\nMECH\tSCRAM-SHA-256-PLUS\tmutual-auth\nMECH\tGSSAPI\n"
        "MECH\tSCRAM-SHA-1-PLUS\tmutual-auth\tprivate\n"
        "MECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tA\001n250 B\nMECH\tTHIS-NAME-IS-TOO-LONG\nMECH\tplain\n"
        "DONE\n");
    const std::vector<std::string> offered = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5",
                                              "XOAUTH2",          "PLAIN",         "LOGIN",       "GSSAPI"};
    EXPECT_EQ(client.await_mechanisms(), offered);
    server.close();
    EXPECT_EQ(client.mechanisms(), offered) << "until another one says something else";
    auto step = client.begin_plain("anna", "secret00");
    auto again = script.accept();
    again.send("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n");
    for (int i = 0; i < 3; i++) {
        again.line();
    }
    EXPECT_EQ(client.mechanisms(), std::vector<std::string>{"PLAIN"});
    again.send("OK\t1\tuser=anna\n");
    EXPECT_EQ(text(step.get()), "ok anna");
}

TEST_F(AuthClientTest, ALastWordOfTheServerIsOneMoreChallenge) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    std::optional<LineSocket> server;
    for (const char* response : {"", "eA=="}) {
        auto step = client.begin_plain("anna", "secret00");
        if (!server) {
            server.emplace(script.accept());
            server->send(handshake);
            server->line();
            server->line();
        }
        const std::string asked = server->line();
        server->send("OK\t" + asked.substr(5, 1) + "\tuser=anna\tresp=dj1hYmM=\n");
        const AuthStep last = step.get();
        ASSERT_EQ(text(last), "continue dj1hYmM=");
        const std::uint32_t id = std::get<AuthContinue>(last).id;
        EXPECT_EQ(text(client.respond(id, response)), *response == '\0' ? "ok anna" : "not allowed");
        EXPECT_EQ(text(client.respond(id, "")), "temporary") << "that request has ended";
    }
    auto step = client.begin_plain("anna", "secret00");
    server->line();
    server->send("OK\t3\tuser=anna\tresp=dj1hYmM=\n");
    const AuthStep last = step.get();
    client.cancel(std::get<AuthContinue>(last).id);
    EXPECT_EQ(server->line(), "CANCEL\t3");
    EXPECT_EQ(text(client.respond(3, "")), "temporary");
}

TEST_F(AuthClientTest, OkIsNotAlwaysAYes) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    auto step = client.begin_plain("anna", "secret00");
    auto server = script.accept();
    server.send(handshake);
    server.line();
    server.line();
    for (const char* parameters :
         {"\tnologin", "\tnologin=", "\tnologin=y\tresp=eA==", "\tproxy\thost=192.0.2.3\tnopassword",
          "\tproxy=y", "\tnologin\treason=away until May"}) {
        const std::string asked = server.line();
        server.send("OK\t" + asked.substr(5, 1) + "\tuser=anna" + parameters + "\n");
        const AuthStep said = step.get();
        ASSERT_EQ(text(said), "not allowed") << parameters;
        EXPECT_EQ(std::get<AuthFail>(said).user, "anna");
        EXPECT_THAT(std::get<AuthFail>(said).reason,
                    testing::AnyOf("the user may not log in here", "away until May"));
        step = client.begin_plain("anna", "secret00");
    }
    EXPECT_EQ(server.line().substr(0, 6), "AUTH\t7");
    server.send("OK\t7\tuser=anna\tnologins\tmyproxy=y\treason=x\n");
    EXPECT_EQ(text(step.get()), "ok anna");
}

TEST_F(AuthClientTest, PendingRequestsFailForNowWhenTheConnectionEnds) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    auto one = client.begin_plain("anna", "secret00");
    auto two = client.begin_plain("bert", "secret00");
    auto server = script.accept();
    server.send(handshake);
    for (int i = 0; i < 4; i++) {
        server.line();
    }
    server.close();
    EXPECT_EQ(text(one.get()), "temporary");
    EXPECT_EQ(text(two.get()), "temporary");
    auto three = client.begin_plain("anna", "secret00");
    auto again = script.accept();
    again.send(handshake);
    for (int i = 0; i < 2; i++) {
        again.line();
    }
    EXPECT_THAT(again.line(), testing::StartsWith("AUTH\t3\t")) << "ids don't come again";
    again.send("FAIL\t3\tuser=anna\n");
    const AuthStep step = three.get();
    EXPECT_EQ(text(step), "fail");
    EXPECT_EQ(std::get<AuthFail>(step).user, "anna");
}

// A server that has answered one request after another with these lines, which lack the beginning.
// Whoever would be nobody, or could not be written down, is not let in; it is the server's mistake.
TEST_F(AuthClientTest, AnOkNeedsANameThatCanBeTold) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    auto step = client.begin_plain("anna", "secret00");
    auto server = script.accept();
    server.send(handshake);
    server.line();
    server.line();
    for (const char* parameters : {"", "\tuser=", "\tuser", "\toriginal_user=anna", "\tuser=an\x01nna",
                                   "\tuser=\xff", "\tuser=a\x7f", "\tuser=\tresp=eA=="}) {
        const std::string asked = server.line();
        server.send("OK\t" + asked.substr(5, 1) + parameters + "\n");
        ASSERT_EQ(text(step.get()), "temporary") << parameters;
        step = client.begin_plain("anna", "secret00");
    }
    EXPECT_EQ(server.line().substr(0, 6), "AUTH\t9");
    server.send("FAIL\t9\tuser=\xff\toriginal_user=a\x01nb\tauth_user=boss\n");
    const auto failed = std::get<AuthFail>(step.get());
    EXPECT_EQ(failed.user, "");
    EXPECT_EQ(failed.also, std::vector<std::string>{"boss"});
}

TEST_F(AuthClientTest, NotEveryNoIsAboutThePassword) {
    struct Said {
        const char* parameters;
        const char* meaning;
        const char* reason;
    };
    Script script(socket());
    tests::TestClient client(runner_, socket());
    std::optional<LineSocket> server;
    for (const Said& said :
         {Said{"", "fail", ""},
          {"\toriginal_user=Anna@X", "fail", ""},
          {"\tcode=", "fail", ""},
          {"\ttemp", "temporary", ""},
          {"\tcode=temp_fail", "temporary", "temp_fail"},
          {"\tcode=temp_fail\treason=the database is away", "temporary", "the database is away"},
          {"\tauthz", "not allowed", "authz_fail"},
          {"\tcode=authz_fail", "not allowed", "authz_fail"},
          {"\tuser_disabled", "not allowed", "user_disabled"},
          {"\tcode=user_disabled", "not allowed", "user_disabled"},
          {"\tpass_expired", "not allowed", "pass_expired"},
          {"\tcode=pass_expired\treason=change it", "not allowed", "change it"},
          {"\tcode=invented_later", "not allowed", "invented_later"},
          {"\treason=Too many logins have failed", "not allowed", "Too many logins have failed"}}) {
        auto step = client.begin_plain("anna", "secret00");
        if (!server) {
            server.emplace(script.accept());
            server->send(handshake);
            server->line();
            server->line();
        }
        const std::string asked = server->line();
        server->send("FAIL\t" + asked.substr(5, asked.find('\t', 5) - 5) + "\tuser=anna" + said.parameters +
                     "\n");
        const AuthStep got = step.get();
        ASSERT_EQ(text(got), said.meaning) << said.parameters;
        EXPECT_EQ(std::get<AuthFail>(got).reason, said.reason);
        EXPECT_EQ(std::get<AuthFail>(got).user, "anna");
    }
}

TEST_F(AuthClientTest, NamesThatTheServerChangesAreToldWithEachAnswer) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    const std::vector<std::string> both = {"Boss@X", "boss"};
    auto step = client.begin_plain("anna", "secret00");
    auto server = script.accept();
    server.send(handshake);
    for (int i = 0; i < 3; i++) {
        server.line();
    }
    server.send("OK\t1\tuser=anna\toriginal_user=Boss@X\tauth_user=boss\n");
    EXPECT_EQ(std::get<AuthOk>(step.get()).also, both);
    step = client.begin_plain("anna", "secret00");
    server.line();
    server.send("FAIL\t2\tauth_user=boss\toriginal_user=Boss@X\tuser=anna\n");
    EXPECT_EQ(std::get<AuthFail>(step.get()).also, both);
    step = client.begin_plain("anna", "secret00");
    server.line();
    server.send("OK\t3\tuser=anna\tnologin\toriginal_user=Boss@X\tauth_user=Boss@X\n");
    EXPECT_EQ(std::get<AuthFail>(step.get()).also, std::vector<std::string>{"Boss@X"}) << "each name once";
    step = client.begin_plain("anna", "secret00");
    server.line();
    server.send("OK\t4\tuser=anna\toriginal_user=anna\tauth_user=\n");
    EXPECT_THAT(std::get<AuthOk>(step.get()).also, testing::IsEmpty());
    step = client.begin_plain("anna", "secret00");
    server.line();
    server.send("OK\t5\tuser=anna\toriginal_user=Sales\tresp=dj1hYmM=\n");
    const AuthStep last = step.get();
    EXPECT_EQ(std::get<AuthContinue>(last).proven, "anna");
    EXPECT_EQ(std::get<AuthContinue>(last).also, std::vector<std::string>{"Sales"});
    EXPECT_EQ(std::get<AuthOk>(client.respond(5, "")).also, std::vector<std::string>{"Sales"});
}

TEST_F(AuthClientTest, ServersOfAnotherKindAreLeft) {
    const std::vector<std::string> others = {"VERSION\t2\t0\n",
                                             "HTTP/1.1 400 Bad Request\r\n\r\n",
                                             "MECH\tPLAIN\n",
                                             "VERSION\tx\n",
                                             "VERSION\t1\t1\n" + std::string(20'000, 'x'),
                                             std::string(handshake) + "OK\tnobody\n"};
    Script script(socket());
    tests::TestClient client(runner_, socket());
    for (const std::string& said : others) {
        auto step = client.begin_plain("anna", "secret00");
        auto server = script.accept();
        server.send(said);
        EXPECT_EQ(text(step.get()), "temporary") << said.substr(0, 40);
    }
}

TEST_F(AuthClientTest, AServerThatSaysNothingIsWaitedForOnce) {
    const Script script(socket());
    tests::TestClient client(runner_, socket());
    const auto begin = Clock::now();
    EXPECT_EQ(text(client.plain("anna", "secret00")), "temporary");
    EXPECT_GE(Clock::now() - begin, 4s);
    EXPECT_LT(Clock::now() - begin, 9s);
    const auto second = Clock::now();
    EXPECT_EQ(text(client.plain("anna", "secret00")), "temporary");
    EXPECT_LT(Clock::now() - second, 1s);
}

TEST_F(AuthClientTest, AClientThatEndsTakesItsRequestsWithIt) {
    Script script(socket());
    tests::TestClient client(runner_, socket());
    auto step = client.begin_plain("anna", "secret00");
    auto server = script.accept();
    server.send(handshake);
    for (int i = 0; i < 3; i++) {
        server.line();
    }
    client.end();
    EXPECT_EQ(text(step.get()), "temporary");
    EXPECT_EQ(server.line(), "(end)");
}

}  // namespace
}  // namespace sekisho::sasl
