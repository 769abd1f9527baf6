// SPDX-License-Identifier: Apache-2.0
// The server by raw lines: what it answers, when, and what it ends a connection for.
#include "smtpd/sasl/auth_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/sasl/challenge_client.h"
#include "tests/unit/sasl/harness.h"
#include "tests/unit/sasl/scram_client.h"

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using ::testing::Contains;
using ::testing::StartsWith;
using tests::LineSocket;
using Clock = std::chrono::steady_clock;

std::string response(std::string_view user, std::string_view password) {
    return to_base64("\0"s + std::string(user) + "\0"s + std::string(password));
}

std::string plain(int id, std::string_view user, std::string_view password,
                  std::string_view remote = "192.0.2.1") {
    return "AUTH\t" + std::to_string(id) + "\tPLAIN\tservice=smtp\tnologin\trip=" + std::string(remote) +
           "\tresp=" + response(user, password) + "\n";
}

class AuthServerTest : public ::testing::Test {
protected:
    LineSocket client() {
        LineSocket socket(server_.socket());
        socket.shake_hands();
        return socket;
    }
    tests::Directory directory_;
    tests::Runner runner_;
    tests::TestServer server_{runner_, directory_.path(), AuthLimits{.connections = 3, .requests = 40}};
};

TEST_F(AuthServerTest, ShakesHandsAsDovecotDoes) {
    LineSocket socket(server_.socket());
    std::vector<std::string> lines;
    for (std::string line = socket.line(); line != "DONE" && line != "(end)"; line = socket.line()) {
        lines.push_back(line);
    }
    ASSERT_EQ(lines.size(), 6U);
    EXPECT_THAT(lines[0], StartsWith("VERSION\t1\t"));
    EXPECT_THAT(lines, Contains("MECH\tPLAIN\tplaintext"));
    EXPECT_THAT(lines, Contains("MECH\tLOGIN\tplaintext"));
    EXPECT_THAT(lines, Contains("SPID\t" + std::to_string(::getpid())));
    EXPECT_THAT(lines, Contains("CUID\t1"));
    EXPECT_THAT(lines, Contains(testing::MatchesRegex("COOKIE\t[0-9a-f]+")));
}

TEST_F(AuthServerTest, JudgesPlain) {
    auto socket = client();
    socket.send(plain(1, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t1\tuser=anna");
    socket.send(plain(2, "BERT", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t2\tuser=bert");
    socket.send(plain(3, "anna", "correct horsf"));
    EXPECT_EQ(socket.line(), "FAIL\t3\tuser=anna");
    socket.send(plain(4, "carol", "correct horse"));
    EXPECT_EQ(socket.line(), "FAIL\t4\tuser=carol") << "as for a wrong password";
    EXPECT_EQ(server_.counts().right, 2U);
    EXPECT_EQ(server_.counts().wrong, 2U);
}

TEST_F(AuthServerTest, JudgesLoginByPrompts) {
    auto socket = client();
    socket.send("AUTH\t1\tLOGIN\tservice=smtp\n");
    EXPECT_EQ(socket.line(), "CONT\t1\tVXNlcm5hbWU6");
    socket.send("CONT\t1\t" + to_base64("anna") + "\n");
    EXPECT_EQ(socket.line(), "CONT\t1\tUGFzc3dvcmQ6");
    socket.send("CONT\t1\t" + to_base64("correct horse") + "\n");
    EXPECT_EQ(socket.line(), "OK\t1\tuser=anna");
    socket.send("AUTH\t1\tPLAIN\tservice=smtp\n");
    EXPECT_EQ(socket.line(), "CONT\t1\t") << "an id is free again";
    socket.send("CONT\t1\t" + response("bert", "correct horse") + "\n");
    EXPECT_EQ(socket.line(), "OK\t1\tuser=bert");
}

TEST_F(AuthServerTest, WhatIsNoLoginFailsAndTheConnectionGoesOn) {
    auto socket = client();
    socket.send(
        "AUTH\t1\tPLAIN\tresp=%%%\nAUTH\t2\tPLAIN\tresp=\nAUTH\t3\tPLAIN\tresp=eA==\nAUTH\t4\tCRAM-MD5\n"
        "WHATEVER\t1\nCONT\t77\teA==\n");
    std::vector<std::string> lines;
    for (int i = 0; i < 5; i++) {
        lines.push_back(socket.line());
    }
    EXPECT_THAT(lines, testing::UnorderedElementsAre(
                           "FAIL\t1", "FAIL\t2", "FAIL\t3",
                           "FAIL\t4\tcode=auth_mech_invalid\treason=this mechanism is not offered",
                           "FAIL\t77\ttemp\tcode=temp_fail\treason=no such request"));
    socket.send(plain(9, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t9\tuser=anna");
    EXPECT_EQ(server_.counts().malformed, 3U);
}

TEST_F(AuthServerTest, FailuresComeLaterEachTimeAndHoldUpNobodyElse) {
    auto socket = client();
    const auto begin = Clock::now();
    for (int id = 1; id <= 4; id++) {
        socket.send(plain(id, "anna", "wrong", "192.0.2.7"));
        EXPECT_THAT(socket.line(), StartsWith("FAIL\t" + std::to_string(id)));
    }
    EXPECT_GE(Clock::now() - begin, 200ms + 400ms + 800ms + 1600ms);
    socket.send(plain(5, "anna", "wrong", "192.0.2.7"));  // answered in 3.2 s
    socket.send(plain(6, "anna", "correct horse", "192.0.2.8"));
    EXPECT_EQ(socket.line(), "OK\t6\tuser=anna");
}

TEST_F(AuthServerTest, AnUnknownUserTakesAsLongAsAKnownOne) {
    auto socket = client();
    const auto time_of = [&socket](int id, const std::string& user) {
        const auto begin = Clock::now();
        socket.send(plain(id, user, "wrong", "192.0.2." + std::to_string(id)));
        EXPECT_THAT(socket.line(), StartsWith("FAIL"));
        return Clock::now() - begin - 200ms;
    };
    // Names of both kinds of hashes: some strangers must take as long as anna (yescrypt).
    const auto anna = std::min({time_of(1, "anna"), time_of(2, "anna"), time_of(3, "anna")});
    int slow = 0;
    for (int id = 10; id < 26; id++) {
        slow += time_of(id, "stranger" + std::to_string(id)) >= anna / 2 ? 1 : 0;
    }
    EXPECT_GE(slow, 2);
}

TEST_F(AuthServerTest, ManyAtOnceAreAllAnswered) {
    auto socket = client();
    std::string lines;
    for (int id = 1; id <= 40; id++) {
        lines += plain(id, id % 2 != 0 ? "anna" : "bert", "correct horse", "192.0.2." + std::to_string(id));
    }
    socket.send(lines);
    int ok = 0;
    for (int i = 0; i < 40; i++) {
        ok += socket.line().starts_with("OK") ? 1 : 0;
    }
    EXPECT_EQ(ok, 40);
}

TEST_F(AuthServerTest, TooManyAtOnceAreToldToComeBack) {
    auto socket = client();
    std::string lines;
    for (int id = 1; id <= 40; id++) {
        lines += "AUTH\t" + std::to_string(id) + "\tLOGIN\trip=192.0.2." + std::to_string(id) + "\n";
    }
    socket.send(lines + plain(41, "anna", "correct horse"));
    std::vector<std::string> answers;
    for (int i = 0; i < 41; i++) {
        answers.push_back(socket.line());
    }
    EXPECT_THAT(answers, Contains("FAIL\t41\ttemp\tcode=temp_fail\treason=too many logins at once"));
    socket.send("CANCEL\t7\n" + plain(42, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t42\tuser=anna");
}

TEST_F(AuthServerTest, WhoLeavesManyChallengesUnansweredLosesTheOldest) {
    auto socket = client();
    const auto begin = [&socket](int id, const std::string& remote) {
        socket.send("AUTH\t" + std::to_string(id) + "\tLOGIN\trip=" + remote + "\n");
        return socket.line();
    };
    for (int id = 1; id <= 39; id++) {
        EXPECT_EQ(begin(id, "2001:db8:1:2::" + std::to_string(id)).substr(0, 4), "CONT") << id;
    }
    EXPECT_EQ(begin(40, "192.0.2.1").substr(0, 4), "CONT");
    for (int id = 41; id <= 60; id++) {
        EXPECT_EQ(begin(id, "192.0.2." + std::to_string(id)).substr(0, 4), "CONT") << id;
    }
    socket.send("CONT\t40\t" + to_base64("anna") + "\n");
    EXPECT_EQ(socket.line().substr(0, 8), "CONT\t40\t");
    socket.send("CONT\t20\t" + to_base64("anna") + "\n");
    EXPECT_THAT(socket.line(), HasSubstr("FAIL\t20\ttemp")) << "the first twenty of one network";
    socket.send("CONT\t21\t" + to_base64("anna") + "\n");
    EXPECT_EQ(socket.line().substr(0, 8), "CONT\t21\t");
}

TEST_F(AuthServerTest, OneAddressCannotTakeAllPlaces) {
    auto socket = client();
    std::string lines;
    for (int id = 1; id <= 36; id++) {
        lines += plain(id, "anna", "correct horse", "192.0.2.66");
    }
    socket.send(lines + plain(37, "bert", "correct horse", "192.0.2.1"));
    std::vector<std::string> answers;
    for (int i = 0; i < 37; i++) {
        answers.push_back(socket.line());
    }
    EXPECT_EQ(
        std::ranges::count_if(answers, [](const auto& line) { return line.find("temp_fail") != line.npos; }),
        4);
    EXPECT_THAT(answers, Contains("OK\t37\tuser=bert"));
}

TEST_F(AuthServerTest, AnIpv6ClientHasNoMorePlacesForItsManyAddresses) {
    auto socket = client();
    std::string lines;
    for (int id = 1; id <= 36; id++) {
        lines += plain(id, "anna", "correct horse", "2001:db8:1:2::" + std::to_string(id));
    }
    socket.send(lines + plain(37, "bert", "correct horse", "2001:db8:1:3::1"));
    std::vector<std::string> answers;
    for (int i = 0; i < 37; i++) {
        answers.push_back(socket.line());
    }
    EXPECT_EQ(
        std::ranges::count_if(answers, [](const auto& line) { return line.find("temp_fail") != line.npos; }),
        4);
    EXPECT_THAT(answers, Contains("OK\t37\tuser=bert"));
}

TEST_F(AuthServerTest, WhatIsTakenBackIsNotAnswered) {
    auto socket = client();
    socket.send(plain(1, "anna", "wrong", "192.0.2.9") + "CANCEL\t1\n");
    EXPECT_TRUE(socket.silent(600));
    // The id may be used again at once; only the new request is answered.
    socket.send(plain(1, "anna", "wrong", "192.0.2.9") + "CANCEL\t1\n" + plain(1, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t1\tuser=anna");
    EXPECT_TRUE(socket.silent(600));
}

TEST_F(AuthServerTest, BrokenClientsAreCutOff) {
    const std::vector<std::string> broken = {
        "AUTH\t1\tPLAIN\n",
        "VERSION\t2\t0\nCPID\t1\n",
        "VERSION\t1\t1\n" + plain(1, "anna", "correct horse"),
        "GET / HTTP/1.1\r\n\r\n",
        "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tLOGIN\nAUTH\t1\tLOGIN\n",
        "VERSION\t1\t1\nCPID\t1\nAUTH\tx\n",
        "VERSION\t1\t1\nCPID\t1\n" + plain(1, "anna", "wrong") + "CONT\t1\teA==\n",
        "VERSION\t1\t1\nCPID\t1\n" + std::string(20'000, 'x'),
        "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tPLAIN\0\n"s,
    };
    for (const std::string& bytes : broken) {
        LineSocket socket(server_.socket());
        while (socket.line() != "DONE") {
        }
        socket.send(bytes);
        std::string last;
        for (last = socket.line(); last.starts_with("CONT"); last = socket.line()) {
        }
        EXPECT_EQ(last, "(end)") << bytes.substr(0, 60);
    }
    EXPECT_EQ(server_.counts().broken, broken.size());
    auto socket = client();
    socket.send(plain(1, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t1\tuser=anna");
}

TEST_F(AuthServerTest, AClientThatDoesNotReadIsCutOff) {
    auto socket = client();
    std::string lines;
    for (int i = 0; i < 500; i++) {
        lines += "CONT\t77\teA==\n";
    }
    bool open = true;
    for (int i = 0; i < 400 && open; i++) {
        open = socket.offer(lines);
    }
    EXPECT_FALSE(open);
    EXPECT_EQ(server_.counts().broken, 1U);
}

TEST_F(AuthServerTest, OneConnectionTooManyIsClosed) {
    auto one = client();
    auto two = client();
    {
        auto three = client();
        LineSocket four(server_.socket());
        EXPECT_EQ(four.line(), "(end)");
    }
    const auto end = Clock::now() + 10s;
    while (server_.connections() != 2 && Clock::now() < end) {
        std::this_thread::sleep_for(1ms);
    }
    auto three = client();
    three.send(plain(1, "anna", "correct horse"));
    EXPECT_EQ(three.line(), "OK\t1\tuser=anna");
}

// As above, but the users have keys; dora has none in the second.
class ScramServerTest : public ::testing::Test {
protected:
    static std::string users() { return "anna:"s + tests::anna_hash + tests::scram_keys() + "\n"; }
    static std::string mixed() { return users() + "dora:" + tests::bert_hash + "\n"; }
    static std::vector<std::string> offered_by(const tests::TestServer& server) {
        LineSocket socket(server.socket());
        std::vector<std::string> offered;
        for (std::string line = socket.line(); line != "DONE" && line != "(end)"; line = socket.line()) {
            if (line.starts_with("MECH")) {
                offered.push_back(line);
            }
        }
        return offered;
    }
    // The answers to a login: the salt and iterations, and the end.
    static std::pair<std::string, std::string> log_in(const tests::TestServer& server,
                                                      const std::string& user, const std::string& password,
                                                      const std::string& remote = "192.0.2.1") {
        LineSocket socket(server.socket());
        socket.shake_hands();
        tests::ScramClient client(ScramHash::sha256, user, password);
        const auto next = [&socket](const std::string& line) {
            socket.send(line + "\n");
            const std::string answer = socket.line();
            const bool goes_on = answer.starts_with("CONT\t7\t");
            return goes_on ? std::string(from_base64(answer.substr(7)).value().view()) : answer;
        };
        const std::string challenge = next("AUTH\t7\tSCRAM-SHA-256\tservice=smtp\trip=" + remote +
                                           "\tresp=" + to_base64(client.first()));
        std::string end = next("CONT\t7\t" + to_base64(client.proof(challenge)));
        if (end == client.server_final()) {
            end = next("CONT\t7\t");
        }
        return {challenge.substr(challenge.find(",s=")), end};
    }
    tests::Directory directory_;
    tests::Runner runner_;
};

TEST_F(ScramServerTest, IsOfferedWhileAllUsersCanUseIt) {
    const std::vector<std::string> plain = {"MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext"};
    std::vector<std::string> all = {
        "MECH\tSCRAM-SHA-256-PLUS\tmutual-auth\tprivate", "MECH\tSCRAM-SHA-256\tmutual-auth",
        "MECH\tSCRAM-SHA-1-PLUS\tmutual-auth\tprivate", "MECH\tSCRAM-SHA-1\tmutual-auth"};
    all.insert(all.end(), plain.begin(), plain.end());
    const auto offered_with = [this](const std::string& file) {
        const tests::TestServer server(runner_, directory_.path(), {}, 100, file);
        return offered_by(server);
    };
    EXPECT_EQ(offered_with(users()), all);
    EXPECT_EQ(offered_with("# nobody yet\n"), all);
    EXPECT_EQ(offered_with(mixed()), plain);
}

TEST_F(ScramServerTest, WhatWasChosenIsOfferedAndNothingElse) {
    const tests::TestServer server(
        runner_, directory_.path(), {}, 100, mixed(),
        {.mechanisms = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL"}, .certificates = false});
    EXPECT_EQ(offered_by(server),
              (std::vector<std::string>{"MECH\tSCRAM-SHA-256\tmutual-auth",
                                        "MECH\tCRAM-MD5\tdictionary\tactive", "MECH\tPLAIN\tplaintext"}))
        << "EXTERNAL needs certificates";
    EXPECT_EQ(log_in(server, "anna", "correct horse").second, "OK\t7\tuser=anna");
    LineSocket socket(server.socket());
    socket.shake_hands();
    for (const char* name :
         {"LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "DIGEST-MD5", "EXTERNAL", "plain"}) {
        socket.send("AUTH\t1\t"s + name + "\tvalid-client-cert\tcert_username=anna\n");
        EXPECT_EQ(socket.line(), "FAIL\t1\tcode=auth_mech_invalid\treason=this mechanism is not offered")
            << name;
    }
}

// With tests::keep(), what CRAM-MD5 needs.
TEST_F(ScramServerTest, ChallengesForThoseWhosePasswordIsRecoverable) {
    tests::TestServer server(runner_, directory_.path(), {}, 100, mixed());
    EXPECT_THAT(offered_by(server), testing::Not(Contains(StartsWith("MECH\tCRAM-MD5"))));
    server.keep("anna", "correct horse");
    EXPECT_THAT(offered_by(server), testing::Not(Contains(StartsWith("MECH\tCRAM-MD5"))))
        << "dora could not use it";
    server.keep("dora", "correct horse");
    EXPECT_THAT(offered_by(server), Contains("MECH\tDIGEST-MD5\tdictionary\tactive"));
    LineSocket socket(server.socket());
    socket.shake_hands();
    const auto by_cram = [&socket](const std::string& user, const std::string& password,
                                   const std::string& remote) {
        socket.send("AUTH\t1\tCRAM-MD5\tservice=smtp\trip=" + remote + "\n");
        const std::string challenge(from_base64(socket.line().substr(7)).value().view());
        socket.send("CONT\t1\t" + to_base64(tests::cram(challenge, user, password)) + "\n");
        return socket.line();
    };
    EXPECT_EQ(by_cram("Anna", "correct horse", "192.0.2.1"), "OK\t1\tuser=anna");
    EXPECT_EQ(by_cram("anna", "correct horsf", "192.0.2.2"), "FAIL\t1\tuser=anna");
    EXPECT_EQ(by_cram("carol", "correct horse", "192.0.2.3"), "FAIL\t1\tuser=carol");
    EXPECT_EQ(server.counts().wrong, 2U);
}

TEST_F(ScramServerTest, CertificatesOfUsersInTheFile) {
    const tests::TestServer server(runner_, directory_.path(), {}, 100, mixed(),
                                   {.mechanisms = {}, .certificates = true});
    EXPECT_THAT(offered_by(server), Contains("MECH\tEXTERNAL"));
    LineSocket socket(server.socket());
    socket.shake_hands();
    const auto external = [&socket](const std::string& shown) {
        socket.send("AUTH\t1\tEXTERNAL\tservice=smtp\trip=192.0.2.1" + shown + "\tresp=\n");
        return socket.line();
    };
    EXPECT_EQ(external("\tvalid-client-cert\tcert_username=Anna"), "OK\t1\tuser=anna");
    EXPECT_EQ(external("\tvalid-client-cert\tcert_username=carol"), "FAIL\t1\tuser=carol");
    EXPECT_EQ(external("\tcert_username=anna"), "FAIL\t1") << "nobody vouches for it";
    EXPECT_EQ(external("\tvalid-client-cert"), "FAIL\t1");
    EXPECT_EQ(external(""), "FAIL\t1");
}

TEST_F(ScramServerTest, ABoundChannel) {
    tests::TestServer server(runner_, directory_.path(), {}, 100, users());
    const auto bound = [&server](const std::string& client_knows, const std::string& server_is_told,
                                 const std::string& remote) {
        LineSocket socket(server.socket());
        socket.shake_hands();
        tests::ScramClient client(ScramHash::sha256, "anna", "correct horse");
        client.bind(client_knows);
        socket.send("AUTH\t7\tSCRAM-SHA-256-PLUS\tservice=smtp\trip=" + remote +
                    "\ttls_exporter=" + to_base64(server_is_told) +
                    "\tresp=" + to_base64(client.first("p=tls-exporter,,")) + "\n");
        std::string line = socket.line();
        if (!line.starts_with("CONT\t7\t")) {
            return line;
        }
        socket.send("CONT\t7\t" + to_base64(client.proof(from_base64(line.substr(7)).value().view())) + "\n");
        line = socket.line();
        if (line == "CONT\t7\t" + to_base64(client.server_final())) {
            socket.send("CONT\t7\t\n");
            line = socket.line();
        }
        return line;
    };
    EXPECT_EQ(bound("this connection", "this connection", "192.0.2.1"), "OK\t7\tuser=anna");
    EXPECT_EQ(bound("the one to the thief", "the thief's own", "192.0.2.2"), "FAIL\t7\tuser=anna");
    EXPECT_EQ(bound("", "", "192.0.2.3"), "FAIL\t7") << "nothing binds it";
}

TEST_F(ScramServerTest, JudgesBothWays) {
    tests::TestServer server(runner_, directory_.path(), {}, 100, users());
    EXPECT_EQ(log_in(server, "anna", "correct horse").second, "OK\t7\tuser=anna");
    EXPECT_EQ(log_in(server, "anna", "correct horsf").second, "FAIL\t7\tuser=anna");
    tests::TestClient client(runner_, server.socket());
    EXPECT_EQ(tests::text(client.plain("anna", "correct horse")), "ok anna");
    EXPECT_EQ(server.counts().right, 2U);
    EXPECT_EQ(server.counts().wrong, 1U);
}

TEST_F(ScramServerTest, WhoIsUnknownOrHasNoKeysLooksLikeAWrongPassword) {
    std::map<std::string, std::string> salts;
    const auto expect_same = [&](const tests::TestServer& server, const std::string& name) {
        for (const char* remote : {"192.0.2.5", "192.0.2.6"}) {
            const auto [challenge, end] =
                log_in(server, name, "guessed", name == "dora" ? "192.0.2.7" : remote);
            EXPECT_EQ(end, "FAIL\t7\tuser=" + name);
            EXPECT_EQ(challenge.size(), salts.begin()->second.size()) << "a salt of another kind";
            EXPECT_TRUE(challenge.ends_with(",i=10000"));
            EXPECT_EQ(salts.emplace(name, challenge).first->second, challenge)
                << "another salt for the same name";
        }
    };
    const std::string file = mixed();
    for (int start = 0; start < 2; start++) {
        tests::TestServer server(runner_, directory_.path(), {}, 100, file);
        salts.emplace("anna", log_in(server, "anna", "guessed").first);
        expect_same(server, "anna");
        expect_same(server, "dora");
        expect_same(server, "carol");
        EXPECT_EQ(server.counts().wrong, 7U);
    }
}

TEST_F(ScramServerTest, AProofThatIsTakenBackIsNoLogin) {
    tests::TestServer server(runner_, directory_.path(), {}, 100, users());
    LineSocket socket(server.socket());
    socket.shake_hands();
    tests::ScramClient client(ScramHash::sha256, "anna", "correct horse");
    socket.send("AUTH\t1\tSCRAM-SHA-256\tresp=" + to_base64(client.first()) + "\n");
    const std::string challenge(from_base64(socket.line().substr(7)).value().view());
    socket.send("CONT\t1\t" + to_base64(client.proof(challenge)) + "\n");
    EXPECT_EQ(socket.line(), "CONT\t1\t" + to_base64(client.server_final()));
    socket.send("CANCEL\t1\n" + plain(2, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t2\tuser=anna");
    EXPECT_EQ(server.counts().right, 1U);
}

TEST_F(AuthServerTest, ClientsThatLeaveInTheMiddleHurtNobody) {
    for (int i = 0; i < 20; i++) {
        auto socket = client();
        socket.send(plain(1, "anna", i % 2 != 0 ? "correct horse" : "wrong") + "AUTH\t2\tLOGIN\nAUTH\t3\tPL");
        socket.close();
        const auto end = Clock::now() + 10s;
        while (server_.connections() != 0 && Clock::now() < end) {
            std::this_thread::sleep_for(1ms);
        }
    }
    auto socket = client();
    socket.send(plain(1, "anna", "correct horse"));
    EXPECT_EQ(socket.line(), "OK\t1\tuser=anna");
}

}  // namespace
}  // namespace sekisho::sasl
