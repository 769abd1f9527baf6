// SPDX-License-Identifier: Apache-2.0
// `sekisho queue` against a stand-in for sekisho-relay.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::answer;
using tests::Asked;
using tests::StandIn;

constexpr const char* message =
    R"({"id":"7h2k9f0q3m1x8z4c","sender":"anna@example.net","user":"anna","client":"192.0.2.10",)"
    R"("received":"2026-11-24T01:02:03Z","size":4096,"recipients":[)"
    R"({"address":"x@example.com","attempts":2,"next":"2026-11-24T01:12:03Z","last_error":"\u001b[2Jrefused"},)"
    R"({"address":"y@example.com","attempts":0,"next":"2026-11-24T01:02:03Z","last_error":""}]})";

std::string reply_of_queue(const Asked& asked) {
    if (asked.line == "GET /v1/queue") {
        return answer(
            200, R"({"messages":[)" + std::string(message) +
                     R"(,{"id":"n000000000000000","sender":"","received":"2026-11-24T01:02:04Z",)"
                     R"("size":1,"recipients":[{"address":"anna@example.net","attempts":1}]}],"more":3})");
    }
    if (asked.line == "GET /v1/queue/7h2k9f0q3m1x8z4c") {
        return answer(200, message);
    }
    if (asked.line == "DELETE /v1/queue/7h2k9f0q3m1x8z4c" || asked.line == "POST /v1/queue/flush" ||
        asked.line == "POST /v1/queue/7h2k9f0q3m1x8z4c/hold" ||
        asked.line == "POST /v1/queue/7h2k9f0q3m1x8z4c/release") {
        return answer(204, "");
    }
    return answer(404, R"({"error":{"kind":"not_found","what":"there is no message","remedy":"see list"}})");
}

struct QueueOutcome {
    int code = -1;
    std::string out;
    std::string err;
};

class QueueTest : public testing::Test {
protected:
    QueueOutcome ask(std::vector<std::string> arguments) {
        const std::string socket = (directory_.path() / "mail.sock").string();
        const StandIn server(socket, reply_of_queue);
        arguments.insert(arguments.begin(), "queue");
        arguments.insert(arguments.end(), {"--socket", socket});
        std::ostringstream out;
        std::ostringstream err;
        const int code = run(arguments, out, err);
        asked_ = server.asked();
        return {.code = code, .out = out.str(), .err = err.str()};
    }

    std::vector<Asked> asked_;

private:
    tests::Directory directory_;
};

TEST_F(QueueTest, ListHasALineForEachRecipient) {
    const QueueOutcome outcome = ask({"list"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("7h2k9f0q3m1x8z4c"), HasSubstr("2026-11-24 01:02:03 UTC"),
                                   HasSubstr("x@example.com"), HasSubstr("y@example.com"), HasSubstr("<>"),
                                   HasSubstr("and 3 more messages")));
    EXPECT_THAT(outcome.out, AllOf(Not(HasSubstr("\x1b")), HasSubstr("\\x1b[2Jrefused")));
}

TEST_F(QueueTest, ShowTellsWhoWaitsAndWhy) {
    const QueueOutcome outcome = ask({"show", "7h2k9f0q3m1x8z4c"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("192.0.2.10"), HasSubstr("2026-11-24 01:12:03 UTC"), HasSubstr("refused")));
}

TEST_F(QueueTest, JsonIsTheDaemonsOwn) {
    const QueueOutcome outcome = ask({"show", "7h2k9f0q3m1x8z4c", "--json"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, std::string(message) + "\n");
}

TEST_F(QueueTest, FlushNamesTheDomainIfThereIsOne) {
    EXPECT_EQ(ask({"flush"}).out, "everything is tried again now\n");
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(asked_[0].body, "{}");
    EXPECT_EQ(ask({"flush", "example.com"}).out, "what is for example.com is tried again now\n");
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(asked_[0].body, R"({"domain":"example.com"})");
}

TEST_F(QueueTest, DeleteNamesTheMessage) {
    const QueueOutcome outcome = ask({"delete", "7h2k9f0q3m1x8z4c"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("7h2k9f0q3m1x8z4c is thrown away"));
}

TEST_F(QueueTest, HoldAndReleaseNameTheMessage) {
    EXPECT_EQ(ask({"hold", "7h2k9f0q3m1x8z4c"}).out, "message 7h2k9f0q3m1x8z4c is held\n");
    EXPECT_EQ(ask({"release", "7h2k9f0q3m1x8z4c"}).out, "message 7h2k9f0q3m1x8z4c is released\n");
    EXPECT_EQ(ask({"hold", "elsewhere"}).code, 1);
}

TEST_F(QueueTest, WhatIsNotThereIsSaid) {
    const QueueOutcome outcome = ask({"show", "../metrics"});
    EXPECT_EQ(outcome.code, 1);
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(asked_[0].line, "GET /v1/queue/..%2Fmetrics") << "an id can't lead elsewhere";
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("there is no message"), HasSubstr("see list")));
}

TEST_F(QueueTest, WrongUsage) {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"show"},
                                                      {"delete", ""},
                                                      {"hold"},
                                                      {"release", ""},
                                                      {"hurry"},
                                                      {"flush", "a", "b"},
                                                      {"flush", ""},
                                                      {"flush", "a@example.com"},
                                                      {"flush", "two words"},
                                                      {}}) {
        const QueueOutcome outcome = ask(arguments);
        EXPECT_EQ(outcome.code, 2) << outcome.out;
        EXPECT_TRUE(asked_.empty());
    }
}

TEST_F(QueueTest, HelpHasExamples) {
    for (const char* command : {"list", "show", "flush", "delete"}) {
        const QueueOutcome outcome = ask({command, "--help"});
        EXPECT_EQ(outcome.code, 0);
        EXPECT_THAT(outcome.out, HasSubstr("Examples:\n  sekisho queue " + std::string(command)));
    }
}

TEST(Queue, NobodyThere) {
    std::ostringstream out;
    std::ostringstream err;
    const std::vector<std::string> arguments = {"queue", "list", "--socket", "/nonexistent/mail.sock",
                                                "--json"};
    EXPECT_EQ(run(arguments, out, err), 1);
    EXPECT_THAT(err.str(), AllOf(HasSubstr("the mail relay"), HasSubstr("systemctl status sekisho-relay")));
    EXPECT_THAT(out.str(), HasSubstr(R"("kind":"unavailable")"));
}

}  // namespace

}  // namespace sekisho::cli
