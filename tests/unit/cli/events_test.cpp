// SPDX-License-Identifier: Apache-2.0
// `sekisho events` against a stand-in for the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::answer;
using tests::Asked;
using tests::StandIn;

constexpr const char* refused_login =
    R"({"id":41,"when":"2026-11-24T01:02:03Z","name":"LOGIN_REFUSED","text":"no TLS\u001b[2J","key":"192.0.2.1/32",)"
    R"("user":"anna","reporter":"mail1","protocol":"pop3","rule":"old","session":7,"by":"","seconds":0})";
constexpr const char* order =
    R"({"id":43,"when":"2026-11-24T01:02:04Z","name":"GRANT_ADDED","text":"","key":"192.0.2.1/32",)"
    R"("user":"","reporter":"","protocol":"","rule":"","session":null,"by":"uid 0","seconds":600})";

class EventsCommandTest : public testing::Test {
protected:
    int ask(std::vector<std::string> arguments) {
        const std::string socket = (directory_.path() / "agent.sock").string();
        int pages = 0;
        const StandIn agent(socket, [&pages](const Asked&) {
            // The last ones, one more, none, and then the agent goes.
            switch (pages++) {
                case 0:
                    return answer(
                        200, std::string(R"({"events":[)") + refused_login + R"(],"last":41,"before":null})");
                case 1:
                    return answer(200, std::string(R"({"events":[)") + order + R"(],"last":43})");
                case 2:
                    return answer(200, R"({"events":[],"last":44})");
                default:
                    return answer(503,
                                  R"({"error":{"kind":"unavailable","what":"it goes","remedy":"wait"}})");
            }
        });
        arguments.insert(arguments.end(), {"--socket", socket});
        out_.str("");
        err_.str("");
        const int code = run(arguments, out_, err_);
        asked_.clear();
        for (const Asked& each : agent.asked()) {
            asked_.push_back(each.line);
        }
        return code;
    }

    tests::Directory directory_;
    std::ostringstream out_;
    std::ostringstream err_;
    std::vector<std::string> asked_;
};

TEST_F(EventsCommandTest, TheLastOnes) {
    EXPECT_EQ(ask({"events"}), exit_done) << err_.str();
    EXPECT_THAT(asked_, ElementsAre("GET /v1/events?count=20"));
    EXPECT_EQ(
        out_.str(),
        "2026-11-24 01:02:03 UTC  LOGIN_REFUSED  192.0.2.1/32 user=anna by=pop3 reporter=mail1 rule=old "
        "session=7: no TLS\\x1b[2J\n");
}

TEST_F(EventsCommandTest, Filters) {
    EXPECT_EQ(ask({"events", "-n", "5", "--since", "2h", "--within", "192.0.2.0/24", "--user", "a@b",
                   "--reporter", "mail1", "--event", "LOGIN_REFUSED"}),
              exit_done)
        << err_.str();
    EXPECT_THAT(asked_, ElementsAre("GET /v1/events?count=5&within=192.0.2.0%2F24&since=7200&user=a%40b&name="
                                    "LOGIN_REFUSED&reporter=mail1"));
    EXPECT_EQ(ask({"events", "--session", "7", "--before", "99"}), exit_done) << err_.str();
    EXPECT_THAT(asked_, ElementsAre("GET /v1/events?count=20&before=99&session=7"));
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"events", "--since", "soon"},
                                                  {"events", "--session", "anna"},
                                                  {"events", "--before", "0"},
                                                  {"events", "--within", "192.0.2"},
                                                  {"events", "-n", "0"},
                                                  {"events", "--from", "3"}}) {
        EXPECT_EQ(ask(wrong), exit_wrong_usage) << wrong[1];
        EXPECT_THAT(asked_, ElementsAre());
    }
}

TEST(EventsCommand, ASearchInPartsIsOneAnswer) {
    const tests::Directory directory;
    const std::string socket = (directory.path() / "agent.sock").string();
    const StandIn agent(socket, [](const Asked& asked) {
        if (asked.line == "GET /v1/events?count=2&user=anna") {
            return answer(200, R"({"events":[],"last":90,"before":80})");
        }
        if (asked.line == "GET /v1/events?count=2&before=80&user=anna") {
            return answer(200, std::string(R"({"events":[)") + order + R"(],"last":90,"before":43})");
        }
        return answer(200, std::string(R"({"events":[)") + refused_login + R"(],"last":90,"before":41})");
    });
    std::ostringstream out;
    std::ostringstream err;
    const std::vector<std::string> arguments = {"events", "--user", "anna",     "-n",
                                                "2",      "--json", "--socket", socket};
    EXPECT_EQ(run(arguments, out, err), exit_done) << err.str();
    EXPECT_EQ(out.str(), std::string(refused_login) + "\n" + order + "\n");
    EXPECT_EQ(agent.asked().back().line, "GET /v1/events?count=1&before=43&user=anna");
}

TEST_F(EventsCommandTest, Following) {
    EXPECT_EQ(ask({"events", "--follow", "--user", "anna"}), exit_failed) << "the agent has gone";
    EXPECT_THAT(asked_, ElementsAre("GET /v1/events?count=20&user=anna",
                                    "GET /v1/events?count=1000&user=anna&after=41&wait=30",
                                    "GET /v1/events?count=1000&user=anna&after=43&wait=30",
                                    "GET /v1/events?count=1000&user=anna&after=44&wait=30"));
    EXPECT_THAT(out_.str(),
                HasSubstr("2026-11-24 01:02:04 UTC  GRANT_ADDED  192.0.2.1/32 ordered-by=uid 0 for=10m\n"));
    EXPECT_THAT(err_.str(), HasSubstr("it goes"));
}

TEST_F(EventsCommandTest, JsonIsALineForEach) {
    EXPECT_EQ(ask({"events", "-f", "--json"}), exit_failed);
    EXPECT_THAT(out_.str(), HasSubstr(std::string(order) + "\n{\"error\""));
}

}  // namespace
}  // namespace sekisho::cli
