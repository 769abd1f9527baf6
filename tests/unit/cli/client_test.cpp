// SPDX-License-Identifier: Apache-2.0
// The client against good, bad and silent peers.
#include "agent/api/client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "tests/unit/cli/stand_in.h"

namespace sekisho::api {

namespace {

using tests::Asked;
using tests::StandIn;

class ClientTest : public testing::Test {
protected:
    [[nodiscard]] std::filesystem::path socket() const { return directory_.path() / "agent.sock"; }

    // What a client gets for these bytes.
    [[nodiscard]] Result<Answer> answer_to(const std::string& bytes) const {
        const StandIn agent(socket(), [&](const Asked&) { return bytes; });
        return Client(socket(), std::chrono::seconds{5}).request("GET", "/v1/status");
    }

private:
    tests::Directory directory_;
};

TEST_F(ClientTest, SendsMethodTargetAndBody) {
    const StandIn agent(socket(), [](const Asked&) { return tests::answer(201, R"({"a":1})"); });
    const auto answer = Client(socket()).request("POST", "/v1/grants?x=%3A", R"({"address":"192.0.2.1"})");
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->body, R"({"a":1})");
    ASSERT_EQ(agent.asked().size(), 1U);
    EXPECT_EQ(agent.asked()[0].line, "POST /v1/grants?x=%3A");
    EXPECT_EQ(agent.asked()[0].body, R"({"address":"192.0.2.1"})");
}

TEST_F(ClientTest, ReadsChunksAndAnswersThatEndWithTheConnection) {
    const auto chunked =
        answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    ASSERT_TRUE(chunked) << chunked.error().what;
    EXPECT_EQ(chunked->body, "abcde");
    const auto until_closed = answer_to("HTTP/1.0 200 OK\r\n\r\nall of it");
    ASSERT_TRUE(until_closed) << until_closed.error().what;
    EXPECT_EQ(until_closed->body, "all of it");
}

TEST_F(ClientTest, ReadsLargeAnswers) {
    const std::string body(3'000'000, 'x');
    const auto answer = answer_to(tests::answer(200, body));
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->body, body);
}

TEST_F(ClientTest, RefusesAnswersThatAreTooLarge) {
    const auto answer = answer_to("HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Failure::unavailable);
    EXPECT_NE(answer.error().what.find("over 64 MiB"), std::string::npos) << answer.error().what;
}

TEST_F(ClientTest, RefusesWhatIsNoWholeAnswer) {
    for (const char* const bytes :
         {"", "220 mail.example.net ESMTP\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
          "HTTP/1.1 200 OK\r\nContent-Le"}) {
        const auto answer = answer_to(bytes);
        ASSERT_FALSE(answer) << bytes;
        EXPECT_EQ(answer.error().kind, Failure::unavailable);
        EXPECT_NE(answer.error().what.find("can't be used"), std::string::npos) << answer.error().what;
        EXPECT_FALSE(answer.error().remedy.empty());
    }
}

TEST_F(ClientTest, GivesUpWhenTheTimeIsOver) {
    const StandIn agent(socket(), [](const Asked&) { return std::string(StandIn::silence); });
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = Client(socket(), std::chrono::seconds{1}).request("GET", "/v1/status");
    const auto took = std::chrono::steady_clock::now() - begin;
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().what.find("in time"), std::string::npos) << answer.error().what;
    EXPECT_GE(took, std::chrono::seconds{1});
    EXPECT_LT(took, std::chrono::seconds{5});
}

TEST_F(ClientTest, SaysWhyTheAgentCannotBeReached) {
    const auto missing = Client(socket()).request("GET", "/");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, Failure::unavailable);
    EXPECT_EQ(missing.error().what, "can't reach the agent at " + socket().string() + ": no such file");
    EXPECT_NE(missing.error().remedy.find("--socket"), std::string::npos);

    std::ofstream(socket()) << "not a socket";
    const auto file = Client(socket()).request("GET", "/");
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().what.find("nobody listens"), std::string::npos) << file.error().what;
}

// Root passes every directory, so it is somebody else for a moment.
TEST_F(ClientTest, SaysWhoMayUseTheSocket) {
    const StandIn agent(socket(), [](const Asked&) { return tests::answer(200, "{}"); });
    const bool root = ::geteuid() == 0;
    constexpr uid_t nobody = 65534;
    ASSERT_EQ(root ? ::seteuid(nobody) : ::chmod(socket().parent_path().c_str(), 0), 0);
    const auto answer = Client(socket()).request("GET", "/");
    ASSERT_EQ(root ? ::seteuid(0) : ::chmod(socket().parent_path().c_str(), S_IRWXU), 0);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().what, "can't reach the agent at " + socket().string() + ": permission denied");
    EXPECT_EQ(answer.error().remedy, "run as root or as one of api.operators/api.viewers");
}

TEST_F(ClientTest, RefusesRequestsThatWouldBeTwo) {
    const Client client(socket());
    for (const char* const target : {"", "/v1/grants HTTP/1.1\r\nX: y", "/a b", "/a\n"}) {
        const auto answer = client.request("GET", target);
        ASSERT_FALSE(answer) << target;
        EXPECT_EQ(answer.error().kind, Failure::invalid);
    }
    const auto long_path = Client("/tmp/" + std::string(200, 'x')).request("GET", "/");
    ASSERT_FALSE(long_path);
    EXPECT_EQ(long_path.error().kind, Failure::invalid);
}

TEST(Check, ReadsErrors) {
    const auto error = [](int status, const std::string& body) {
        return check({.status = status, .body = body}).error();
    };
    const Error conflict =
        error(409, R"({"error":{"kind":"conflict","what":"it is there","remedy":"remove it"}})");
    EXPECT_EQ(conflict.kind, Failure::conflict);
    EXPECT_EQ(conflict.what, "it is there");
    EXPECT_EQ(conflict.remedy, "remove it");
    EXPECT_EQ(error(404, R"({"error":{"kind":"not_found","what":"x"}})").kind, Failure::not_found);
    EXPECT_EQ(error(403, R"({"error":{"kind":"refused","what":"x"}})").kind, Failure::refused);
    EXPECT_EQ(error(400, R"({"error":{"kind":"invalid","what":"x"}})").kind, Failure::invalid);
    for (const char* const body : {"", "<html>", "[]", R"({"error":7})", R"({"error":{"what":[]}})"}) {
        EXPECT_EQ(error(502, body).kind, Failure::unavailable) << body;
        EXPECT_EQ(error(502, body).what, "the agent answered with status 502") << body;
    }
}

TEST(Check, PassesTheBodyOfASuccess) {
    EXPECT_EQ(check({.status = 200, .body = "{}"}).value(), "{}");
    EXPECT_EQ(check({.status = 204, .body = ""}).value(), "");
    EXPECT_FALSE(check({.status = 301, .body = "{}"}));
}

}  // namespace

}  // namespace sekisho::api
