// SPDX-License-Identifier: Apache-2.0
// `sekisho subscriber` against a stand-in for the agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
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

constexpr const char* session =
    R"({"id":7,"nas":"bng1","session":"5f\u001b[2J","user":"anna@example.net","calling_station":"00:11:22",)"
    R"("classes":["residential","x"],"filters":[],"prefixes":["192.0.2.1/32","2001:db8:100:a00::/56"],)"
    R"("since":"2026-11-24T01:02:03Z","last_heard":"2026-11-24T02:00:00Z","interim_seconds":300,)"
    R"("contract":"business"})";

std::string reply_about_subscribers(const Asked& asked) {
    if (asked.line == "GET /v1/subscribers?count=1000" ||
        asked.line.starts_with("GET /v1/subscribers?count=1&from=7")) {
        const bool paged = asked.line.find("count=1&") != std::string::npos;
        return answer(200, R"({"subscribers":[)" + std::string(session) + R"(],"in_all":12,"next":)" +
                               (paged ? "9" : "0") + "}");
    }
    if (asked.line == "GET /v1/subscribers/7" || asked.line == "GET /v1/subscribers/192.0.2.1" ||
        asked.line == "GET /v1/subscribers/2001%3Adb8%3A%3A1") {
        return answer(200, session);
    }
    if (asked.line == "POST /v1/subscribers/import") {
        return answer(200, R"({"began":3,"ended":1,"kept":10,"revoked":1})");
    }
    return answer(404,
                  R"({"error":{"kind":"not_found","what":"nobody is known there","remedy":"see list"}})");
}

class SubscriberTest : public testing::Test {
protected:
    int ask(std::vector<std::string> arguments, const std::string& always = {}) {
        const std::string socket = (directory_.path() / "agent.sock").string();
        const StandIn agent(socket, [&always](const Asked& asked) {
            return always.empty() ? reply_about_subscribers(asked) : always;
        });
        arguments.insert(arguments.begin(), "subscriber");
        arguments.insert(arguments.end(), {"--socket", socket});
        std::ostringstream out;
        std::ostringstream err;
        const int code = run(arguments, out, err);
        asked_ = agent.asked();
        out_ = out.str();
        err_ = err.str();
        return code;
    }

    [[nodiscard]] std::string list(const std::string& text) const {
        const std::filesystem::path path = directory_.path() / "list";
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }

    std::vector<Asked> asked_;
    std::string out_;
    std::string err_;

private:
    tests::Directory directory_;
};

TEST_F(SubscriberTest, List) {
    EXPECT_EQ(ask({"list"}), 0) << err_;
    EXPECT_EQ(out_,
              "ID  USER              ADDRESSES                           NAS   SESSION    SINCE             "
              "       CONTRACT\n"
              "7   anna@example.net  192.0.2.1/32 2001:db8:100:a00::/56  bng1  5f\\x1b[2J  2026-11-24 "
              "01:02:03 UTC  business\n");
    EXPECT_EQ(ask({"list", "--from", "7", "-n", "1"}), 0) << err_;
    EXPECT_THAT(out_, HasSubstr("\n\n1 of 12; more: sekisho subscriber list -n 1 --from 9\n"));
    EXPECT_EQ(ask({"list", "--from", "7", "-n", "1", "--within", "192.0.2.0/24", "--user", "an'na", "--nas",
                   "bng1"}),
              0)
        << err_;
    EXPECT_EQ(asked_[0].line,
              "GET /v1/subscribers?count=1&from=7&within=192.0.2.0%2F24&user=an%27na&nas=bng1");
    EXPECT_THAT(
        out_,
        HasSubstr(
            R"(more: sekisho subscriber list --within '192.0.2.0/24' --user 'an'\''na' --nas 'bng1' -n 1 )"
            "--from 9\n"));
    EXPECT_NE(ask({"list", "--within", "192.0.2"}), 0);
    EXPECT_EQ(ask({"list"}, answer(200, R"({"subscribers":[],"in_all":0,"next":0})")), 0);
    EXPECT_EQ(out_, "no subscribers\n");
    EXPECT_EQ(ask({"list", "--json"}), 0);
    EXPECT_EQ(out_, R"({"subscribers":[)" + std::string(session) + R"(],"in_all":12,"next":0})" + "\n");
}

TEST_F(SubscriberTest, Show) {
    EXPECT_EQ(ask({"show", "7"}), 0) << err_;
    EXPECT_THAT(out_, AllOf(HasSubstr("user             anna@example.net\n"),
                            HasSubstr("addresses        192.0.2.1/32 2001:db8:100:a00::/56\n"),
                            HasSubstr("classes          residential x\n"), HasSubstr("filters          -\n"),
                            HasSubstr("since            2026-11-24 01:02:03 UTC\n"),
                            HasSubstr("told every       5m\n"), HasSubstr("contract         business\n"),
                            HasSubstr("session          5f\\x1b[2J\n"), Not(HasSubstr("\x1b"))));
    EXPECT_EQ(ask({"show", "192.0.2.1"}), 0) << err_;
    EXPECT_EQ(ask({"show", "2001:DB8::1", "--json"}), 0) << err_;
    EXPECT_EQ(out_, std::string(session) + "\n");
    EXPECT_EQ(ask({"show", "8"}), 1);
    EXPECT_EQ(err_, "sekisho: nobody is known there\n  see list\n");
}

TEST_F(SubscriberTest, WrongUsage) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                  {"show"},
                                                  {"show", ""},
                                                  {"show", "anna"},
                                                  {"show", "192.0.2.0/24"},
                                                  {"show", "99999999999999999999"},
                                                  {"list", "--from", "x"},
                                                  {"list", "--from", "-1"},
                                                  {"list", "-n", "0"},
                                                  {"list", "-n", "10001"},
                                                  {"list", "7"},
                                                  {"import"},
                                                  {"import", ""},
                                                  {"import", "a", "b"}}) {
        EXPECT_EQ(ask(words), 2) << testing::PrintToString(words) << out_;
        EXPECT_TRUE(asked_.empty());
        EXPECT_NE(err_, "");
    }
}

TEST_F(SubscriberTest, HelpHasExamplesForEach) {
    for (const char* word : {"list", "show", "import"}) {
        EXPECT_EQ(ask({word, "--help"}), 0);
        EXPECT_THAT(out_, HasSubstr(std::string("Examples:\n  sekisho subscriber ") + word));
    }
    EXPECT_EQ(ask({"--help"}), 0);
    EXPECT_THAT(out_, HasSubstr("Examples:\n  sekisho subscriber"));
}

TEST_F(SubscriberTest, ImportSendsTheWholeList) {
    EXPECT_EQ(ask({"import", list("id,user,prefixes,class,filter_id\n"
                                  "c-1,\"an\"\"na\",192.0.2.1 2001:db8:100:a00::/56,residential x,f\n"
                                  "c-2,,192.0.2.2,,\n")}),
              0)
        << err_;
    EXPECT_EQ(out_, "3 began, 1 ended, 10 kept, 1 grant revoked\n");
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(boost::json::parse(asked_[0].body),
              boost::json::parse(
                  R"({"subscribers":[{"id":"c-1","user":"an\"na","prefixes":["192.0.2.1/32",
        "2001:db8:100:a00::/56"],"classes":["residential","x"],"filters":["f"]},
        {"id":"c-2","prefixes":["192.0.2.2/32"]}]})"));
    EXPECT_EQ(ask({"import", list(R"([{"id":"c-1","prefixes":["192.0.2.1"]}])"), "--json"}), 0) << err_;
    EXPECT_EQ(out_, R"({"began":3,"ended":1,"kept":10,"revoked":1})"
                    "\n");
    EXPECT_EQ(ask({"import", list("id,prefixes\nc-1,192.0.2.1\n")},
                  answer(200, R"({"began":1,"ended":0,"kept":0,"revoked":2})")),
              0);
    EXPECT_EQ(out_, "1 began, 0 ended, 0 kept, 2 grants revoked\n");
}

TEST_F(SubscriberTest, NothingIsSentOfAListThatIsWrong) {
    const std::string file = list("id,prefixes\nc-1,192.0.2.1/24\nc-2,192.0.2.2\n,192.0.2.\x1b\n");
    EXPECT_EQ(ask({"import", file}), 1);
    EXPECT_EQ(out_, "");
    EXPECT_EQ(err_, "sekisho: " + file +
                        ":2: 192.0.2.1/24 has bits set behind its length\n"
                        "  write 192.0.2.0/24 for the whole network, or 192.0.2.1 for the one address\n"
                        "sekisho: " +
                        file +
                        ":4: \"192.0.2.\\x1b\" is not an IP prefix\n"
                        "  write it like 192.0.2.0/24 or 2001:db8::/48\n");
    EXPECT_EQ(ask({"import", file, "--json"}), 1);
    const boost::json::value said = boost::json::parse(out_);
    EXPECT_EQ(said.at("error").at("kind"), "invalid");
    EXPECT_EQ(std::string(said.at("error").at("what").as_string()),
              file + ":2: 192.0.2.1/24 has bits set behind its length");
    ASSERT_EQ(said.at("error").at("mistakes").as_array().size(), 2U);
    EXPECT_EQ(said.at("error").at("mistakes").as_array()[1].at("line"), 4);
    EXPECT_EQ(ask({"import", list("[{}]")}), 1);
    EXPECT_THAT(err_, HasSubstr("list: entry 1: an empty id"));
    EXPECT_EQ(ask({"import", "/nonexistent/list"}), 1);
    EXPECT_THAT(err_, HasSubstr("can't open /nonexistent/list"));
    EXPECT_TRUE(asked_.empty());
}

TEST_F(SubscriberTest, AnEmptyListMustBeMeant) {
    for (const char* text : {"id,prefixes\n", "[]", R"({"subscribers":[]})"}) {
        EXPECT_EQ(ask({"import", list(text)}), 1) << text;
        EXPECT_THAT(err_, AllOf(HasSubstr("would end every imported session"), HasSubstr("--empty")));
        EXPECT_TRUE(asked_.empty());
        EXPECT_EQ(ask({"import", list(text), "--empty"}), 0) << text << err_;
        ASSERT_EQ(asked_.size(), 1U);
        EXPECT_EQ(asked_[0].body, R"({"subscribers":[]})");
    }
    EXPECT_EQ(ask({"import", list(""), "--empty"}), 1) << "an export that failed";
}

TEST_F(SubscriberTest, TheAgentsRefusalIsTold) {
    EXPECT_EQ(ask({"import", list("id,prefixes\nc-1,192.0.2.1\n"), "--json"},
                  answer(503, R"({"error":{"kind":"unavailable","what":"the table is full","remedy":"r"}})")),
              1);
    EXPECT_EQ(err_, "sekisho: the table is full\n  r\n");
    EXPECT_EQ(boost::json::parse(out_).at("error").at("kind"), "unavailable");
}

}  // namespace

}  // namespace sekisho::cli
