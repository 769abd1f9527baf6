// SPDX-License-Identifier: Apache-2.0
// Each command against a stand-in for the agent: what is asked, what is printed, the exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <sstream>

#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using tests::answer;
using tests::Asked;
using tests::StandIn;

struct Outcome {
    int code;
    std::string out;
    std::string err;
};

Outcome perform(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run(arguments, out, err);
    return {.code = code, .out = out.str(), .err = err.str()};
}

constexpr const char* grant =
    R"({"key":"192.0.2.10/32","pool":"dsl","source":"mail1","user":"anna","reason":"pop3 login",)"
    R"("since":"2026-11-24T01:00:00Z","expires":"2026-11-24T01:10:00Z","seconds_left":598,)"
    R"("scope":"edge,relay","budget":50,"connections_left":49,"flows":1})";

const std::map<std::string, std::string>& answers() {
    static const std::map<std::string, std::string> all = {
        {"GET /v1/version", answer(200, R"({"version":"9.8.7","abi":1})")},
        {"GET /v1/status",
         answer(
             200,
             R"({"state":"enforcing","since":"2026-11-24T00:00:00Z","uptime_seconds":3605,"pid":77,)"
             R"("interfaces":2,"grants":1,"exemptions":0,"quarantines":3,"cool_downs":1,"flows":2,"pools":[{"name":"dsl","action":"reset",)"
             R"("prefixes":["192.0.2.0/24","2001:db8:100::/40"]}],"counts":[{"reason":"not_granted",)"
             R"("verdict":"reset","packets":1234,"bytes":74040}],"logins":[{"name":"mail1","granted":5,)"
             R"("refused":6,"rejected":7}]})")},
        {"GET /v1/interfaces",
         answer(
             200,
             R"({"interfaces":[{"name":"sub-a","index":4,"side":"subscriber","driver":"veth","mode":"xdp",)"
             R"("why":"native XDP: the driver has it","program":31,"fast_path":"on","attached":true,"closed":false,)"
             R"("unjudged_packets":12,"unjudged_microseconds":340,)"
             R"("counts":[{"reason":"not_granted","verdict":"reset","packets":5,"bytes":370},)"
             R"({"reason":"not_tcp","verdict":"pass","packets":7,"bytes":700}]},)"
             R"({"name":"ppp70","index":5,"side":"subscriber","driver":"","mode":"","why":"no such device",)"
             R"("program":0,"fast_path":"off","attached":false,"closed":true,"unjudged_packets":null,)"
             R"("unjudged_microseconds":null,"counts":null}]})")},
        {"GET /v1/grants?count=1000",
         answer(200, std::string(R"({"grants":[)") + grant +
                         R"(],"cool_downs":[{"key":"192.0.2.9/32","cause":"revoked","user":"bob",)"
                         R"("since":"2026-11-24T01:00:00Z","until":"2026-11-24T01:15:00Z",)"
                         R"("seconds_left":899}]})")},
        {"GET "
         "/v1/grants?count=5&after=192.0.2.1%2F32&within=192.0.2.0%2F24&user=a%40b&source=mail1&session=7",
         answer(200, R"({"grants":[],"next":"192.0.2.9/32","cool_downs":[]})")},
        {"GET "
         "/v1/grants?count=5&after=192.0.2.9%2F32&within=192.0.2.0%2F24&user=a%40b&source=mail1&session=7",
         answer(200, R"({"grants":[],"next":"192.0.2.9/32","cool_downs":[]})")},
        {"POST /v1/grants", answer(201, grant)},
        {"GET /v1/logins",
         answer(200,
                R"({"reporters":[{"name":"mail1","kind":"dovecot","where":"198.51.100.1:4001","granted":17,)"
                R"("refused":2,"rejected":1,"lines":null,"trouble":null},{"name":"mail.log","kind":"log",)"
                R"("where":"/var/log/mail.log","granted":3,"refused":0,"rejected":null,"lines":4711,)"
                R"("trouble":"can't be read"}]})")},
        {"GET /v1/grants/192.0.2.10", answer(200, grant)},
        {"DELETE /v1/grants/192.0.2.10?kill=true&cool_down=true", answer(204, "")},
        {"DELETE /v1/grants/192.0.2.10?kill=false&cool_down=false", answer(204, "")},
        {"GET /v1/blocked?count=5",
         answer(200, R"({"blocked":[{"key":"192.0.2.66/32","pool":"dsl","packets":1200,"per_second":2.46,)"
                     R"("first":"2026-01-02T03:04:05Z","last":"2026-01-02T03:12:05Z","destinations":40,)"
                     R"("quarantined":false}]})")},
        {"GET /v1/quarantines", answer(200, R"({"quarantines":[{"key":"192.0.2.66/32","note":"ticket 4712",)"
                                            R"("since":"2026-01-02T03:04:05Z"}]})")},
        {"POST /v1/quarantines",
         answer(201, R"({"key":"192.0.2.66/32","note":"","since":"2026-01-02T03:04:05Z"})")},
        {"DELETE /v1/quarantines/192.0.2.66", answer(204, "")},
        {"DELETE /v1/grants/2001%3Adb8%3A100%3A%3A1?kill=false&cool_down=true", answer(204, "")},
        {"GET /v1/exemptions", answer(200, R"({"exemptions":[{"prefix":"192.0.2.128/28","note":"contract 7",)"
                                           R"("since":"2026-01-02T03:04:05Z"}]})")},
        {"POST /v1/exemptions",
         answer(201, R"({"prefix":"192.0.2.128/28","note":"contract 7","since":"2026-01-02T03:04:05Z"})")},
        {"DELETE /v1/exemptions?prefix=192.0.2.128%2F28", answer(204, "")},
        {"GET /v1/why?address=192.0.2.10&destination=198.51.100.25",
         answer(200, R"({"address":"192.0.2.10","destination":"198.51.100.25","verdict":"pass",)"
                     R"("reason":"designated","steps":[{"rule":"quarantined","matched":false,)"
                     R"("detail":"192.0.2.10 is not quarantined"},{"rule":"designated","matched":true,)"
                     R"("detail":"198.51.100.25 is the designated server mail"}]})")},
        {"GET /v1/why?address=2001%3Adb8%3A%3A1",
         answer(200,
                R"({"address":"2001:db8::1","destination":null,"verdict":"reset","reason":"not_granted",)"
                R"("steps":[]})")},
    };
    return all;
}

class RunTest : public testing::Test {
protected:
    [[nodiscard]] std::string socket() const { return (directory_.path() / "agent.sock").string(); }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }

    // Runs against an agent that knows the answers above, or always gives this one.
    Outcome with_agent(std::vector<std::string> arguments, const std::string& always = {}) {
        const StandIn agent(socket(), [&](const Asked& asked) {
            const auto found = answers().find(asked.line);
            return !always.empty() ? always
                   : found != answers().end()
                       ? found->second
                       : answer(404, R"({"error":{"kind":"not_found","what":"no route"}})");
        });
        arguments.insert(arguments.end(), {"--socket", socket()});
        Outcome outcome = perform(arguments);
        asked_ = agent.asked();
        return outcome;
    }

    [[nodiscard]] const std::vector<Asked>& asked() const { return asked_; }

private:
    tests::Directory directory_;
    std::vector<Asked> asked_;
};

TEST_F(RunTest, Status) {
    const Outcome outcome = with_agent({"status"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out,
              "sekishod (pid 77) is enforcing, running since 2026-11-24 00:00:00 UTC (1h5s)\n"
              "\n"
              "interfaces   2\n"
              "grants       1\n"
              "exemptions   0\n"
              "quarantines  3\n"
              "cool-downs   1\n"
              "flows        2\n"
              "\n"
              "POOL  BLOCKED IS  PREFIXES\n"
              "dsl   reset       192.0.2.0/24 2001:db8:100::/40\n"
              "\n"
              "VERDICT  REASON       PACKETS  BYTES\n"
              "reset    not_granted  1234     74040\n"
              "\n"
              "LOGINS FROM  GRANTED  REFUSED  REJECTED\n"
              "mail1        5        6        7\n");
    EXPECT_EQ(outcome.err, "");
}

TEST_F(RunTest, InterfaceList) {
    EXPECT_EQ(with_agent({"interface", "list"}).out,
              "NAME   INDEX  SIDE        DRIVER  ATTACHED  CLOSED  MODE  FAST PATH  PROGRAM  UNJUDGED      "
              "PACKETS  WHY\n"
              "sub-a  4      subscriber  veth    yes       no      xdp   on         31       12 in 340 us  "
              "12       native "
              "XDP: the driver has it\n"
              "ppp70  5      subscriber  -       no        yes     -     off        0        -             - "
              "       no "
              "such "
              "device\n"
              "\n"
              "INTERFACE  VERDICT  REASON       PACKETS  BYTES\n"
              "sub-a      reset    not_granted  5        370\n"
              "sub-a      pass     not_tcp      7        700\n");
}

TEST_F(RunTest, GrantList) {
    EXPECT_EQ(with_agent({"grant", "list"}).out,
              "KEY            POOL  LEFT   EXPIRES                  SOURCE  USER  SESSION  REASON\n"
              "192.0.2.10/32  dsl   9m58s  2026-11-24 01:10:00 UTC  mail1   anna  -        pop3 login\n"
              "\n"
              "COOLS DOWN    LEFT    UNTIL                    CAUSE    USER\n"
              "192.0.2.9/32  14m59s  2026-11-24 01:15:00 UTC  revoked  bob\n");
}

TEST_F(RunTest, GrantListOfSome) {
    const Outcome outcome =
        with_agent({"grant", "list", "-n", "5", "--after", "192.0.2.1", "--within", "192.0.2.0/24", "--user",
                    "a@b", "--source", "mail1", "--session", "7"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(
        asked()[0].line,
        "GET "
        "/v1/grants?count=5&after=192.0.2.1%2F32&within=192.0.2.0%2F24&user=a%40b&source=mail1&session=7");
    EXPECT_EQ(
        asked()[1].line,
        "GET "
        "/v1/grants?count=5&after=192.0.2.9%2F32&within=192.0.2.0%2F24&user=a%40b&source=mail1&session=7");
    EXPECT_EQ(asked().size(), 2U) << "the agent has stopped saying where to go on";
    EXPECT_EQ(outcome.out, "no grants\nthere are more: add --after 192.0.2.9/32\n");
    EXPECT_EQ(perform({"grant", "list", "--after", "192.0.2"}).code, 2);
    EXPECT_EQ(perform({"grant", "list", "-n", "0"}).code, 2);
}

TEST_F(RunTest, LoginsList) {
    EXPECT_EQ(with_agent({"logins", "list"}).out,
              "NAME      KIND     WHERE              GRANTED  REFUSED  REJECTED  LINES  TROUBLE\n"
              "mail1     dovecot  198.51.100.1:4001  17       2        1         -      -\n"
              "mail.log  log      /var/log/mail.log  3        0        -         4711   can't be read\n");
}

TEST_F(RunTest, GrantShow) {
    const Outcome outcome = with_agent({"grant", "show", "192.0.2.10"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("key      192.0.2.10/32\n"), HasSubstr("left     9m58s\n"),
                                   HasSubstr("user     anna\n"), HasSubstr("scope    edge,relay\n"),
                                   HasSubstr("budget   50 connections, 49 left\n"),
                                   HasSubstr("open     1 connections\n")));
}

TEST_F(RunTest, GrantAddSendsWhatWasSaid) {
    const Outcome outcome =
        with_agent({"grant", "add", "192.0.2.10", "--for", "1h30m", "--reason", "a \"quoted\" one"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "granted 192.0.2.10/32 until 2026-11-24 01:10:00 UTC (9m58s)\n");
    ASSERT_EQ(asked().size(), 1U);
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.10","seconds":5400,"reason":"a \"quoted\" one"})");

    EXPECT_EQ(with_agent({"grant", "add", "192.0.2.10"}).code, 0);
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.10"})");
}

TEST_F(RunTest, GrantRevokeEncodesTheAddress) {
    const Outcome outcome = with_agent({"grant", "revoke", "2001:DB8:100:0::1"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "the grant of 2001:db8:100::1 has ended\n");
    EXPECT_EQ(with_agent({"grant", "revoke", "2001:db8:100::1", "--json"}).out, "{\"ok\":true}\n");
}

TEST_F(RunTest, BudgetsAndConnections) {
    EXPECT_EQ(with_agent({"grant", "add", "192.0.2.10", "--budget", "7"}).code, 0);
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.10","budget":7})");
    EXPECT_EQ(with_agent({"grant", "add", "192.0.2.10", "--budget", "0"}).code, 0);
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.10","budget":0})");
    EXPECT_EQ(with_agent({"grant", "add", "192.0.2.10", "--scope", "relay,edge"}).code, 0);
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.10","scope":"edge,relay"})");
    EXPECT_EQ(perform({"grant", "add", "192.0.2.10", "--scope", "mail"}).code, 2);
    EXPECT_EQ(perform({"grant", "add", "192.0.2.10", "--scope", ""}).code, 2);
    for (const char* wrong : {"-1", "many", "5x", "1000000001", "0x10"}) {
        const Outcome outcome = perform({"grant", "add", "192.0.2.10", "--budget", wrong});
        EXPECT_EQ(outcome.code, 2) << wrong;
        EXPECT_NE(outcome.err, "") << wrong;
    }
    EXPECT_EQ(with_agent({"grant", "revoke", "192.0.2.10", "--kill"}).out,
              "the grant of 192.0.2.10 has ended, and its connections\n");
    EXPECT_EQ(with_agent({"grant", "revoke", "192.0.2.10", "--no-cool-down"}).out,
              "the grant of 192.0.2.10 has ended\n");
}

TEST_F(RunTest, BlockedTop) {
    EXPECT_EQ(
        with_agent({"blocked", "top", "-n", "5"}).out,
        "KEY            POOL  PACKETS  PER SECOND  DESTINATIONS  FIRST                    LAST              "
        "       QUARANTINED\n"
        "192.0.2.66/32  dsl   1200     2.5         40            2026-01-02 03:04:05 UTC  2026-01-02 "
        "03:12:05 UTC  no\n");
    EXPECT_EQ(with_agent({"blocked", "top"}, answer(200, R"({"blocked":[]})")).out,
              "nobody is being blocked\n");
    EXPECT_EQ(asked()[0].line, "GET /v1/blocked?count=20");
    for (const char* wrong : {"0", "-1", "many", "10001"}) {
        EXPECT_EQ(perform({"blocked", "top", "-n", wrong}).code, 2) << wrong;
    }
}

TEST_F(RunTest, Quarantines) {
    EXPECT_EQ(with_agent({"quarantine", "list"}).out,
              "KEY            SINCE                    NOTE\n"
              "192.0.2.66/32  2026-01-02 03:04:05 UTC  ticket 4712\n");
    EXPECT_EQ(with_agent({"quarantine", "add", "192.0.2.66", "--note", "ticket 4712"}).out,
              "192.0.2.66/32 is quarantined\n");
    EXPECT_EQ(asked()[0].body, R"({"address":"192.0.2.66","note":"ticket 4712"})");
    EXPECT_EQ(with_agent({"quarantine", "remove", "192.0.2.66"}).out,
              "192.0.2.66 is no longer quarantined\n");
    EXPECT_EQ(with_agent({"quarantine", "list"}, answer(200, R"({"quarantines":[]})")).out,
              "no quarantines\n");
    EXPECT_EQ(perform({"quarantine", "add"}).code, 2);
    EXPECT_EQ(perform({"quarantine", "add", "192.0.2.0/24"}).code, 2);
}

TEST_F(RunTest, Lockouts) {
    const std::string list = R"({"lockouts":[{"kind":"network","who":"203.0.113.0/24","tries":100,"held":7,)"
                             R"("since":"2026-01-02T03:04:05Z","until":"2026-01-02T03:14:05Z",)"
                             R"("seconds_left":540},{"kind":"user","who":"a\u001b[2J","tries":50,"held":0,)"
                             R"("since":"2026-01-02T03:04:05Z","until":"2026-01-02T03:14:05Z",)"
                             R"("seconds_left":541}]})";
    EXPECT_EQ(with_agent({"lockout", "list"}, answer(200, list)).out,
              "KIND     WHO             TRIES  HELD  LEFT  UNTIL\n"
              "network  203.0.113.0/24  100    7     9m    2026-01-02 03:14:05 UTC\n"
              "user     a\\x1b[2J        50     0     9m1s  2026-01-02 03:14:05 UTC\n");
    EXPECT_EQ(asked()[0].line, "GET /v1/lockouts");
    EXPECT_EQ(with_agent({"lockout", "list"}, answer(200, R"({"lockouts":[]})")).out, "nobody is locked\n");
    EXPECT_EQ(with_agent({"lockout", "remove", "203.0.113.0/24"}, answer(204, "")).out,
              "203.0.113.0/24 is no longer locked\n");
    EXPECT_EQ(asked()[0].line, "DELETE /v1/lockouts/203.0.113.0%2F24");
    EXPECT_EQ(perform({"lockout", "remove"}).code, 2);
    EXPECT_EQ(perform({"lockout", "remove", ""}).code, 2);
}

TEST_F(RunTest, Exemptions) {
    EXPECT_EQ(with_agent({"exempt", "list"}).out,
              "PREFIX          SINCE                    NOTE\n"
              "192.0.2.128/28  2026-01-02 03:04:05 UTC  contract 7\n");
    EXPECT_EQ(with_agent({"exempt", "add", "192.0.2.128/28", "--note", "contract 7"}).out,
              "192.0.2.128/28 is exempt\n");
    EXPECT_EQ(asked()[0].body, R"({"prefix":"192.0.2.128/28","note":"contract 7"})");
    EXPECT_EQ(with_agent({"exempt", "remove", "192.0.2.128/28"}).out, "192.0.2.128/28 is no longer exempt\n");
}

TEST_F(RunTest, WhyMarksTheRuleThatDecides) {
    EXPECT_EQ(with_agent({"why", "192.0.2.10", "198.51.100.25"}).out,
              "A connection from 192.0.2.10 to port 25 of 198.51.100.25 passes.\n"
              "The rule that decides: designated\n"
              "\n"
              "    quarantined  192.0.2.10 is not quarantined\n"
              "->  designated   198.51.100.25 is the designated server mail\n");
    EXPECT_THAT(with_agent({"why", "2001:db8::1"}).out,
                StartsWith("A connection from 2001:db8::1 to port 25 is refused with a TCP reset.\n"));
}

TEST_F(RunTest, Version) {
    EXPECT_EQ(with_agent({"version"}).out,
              "sekisho " SEKISHO_VERSION "\nsekishod 9.8.7, layout 1 of the kernel's maps\n");
    EXPECT_EQ(with_agent({"version", "--json"}).out,
              R"({"sekisho":")" SEKISHO_VERSION R"(","agent":{"version":"9.8.7","abi":1}})"
              "\n");
    const Outcome alone = perform({"version", "--socket", socket()});
    EXPECT_EQ(alone.code, 0);
    EXPECT_THAT(alone.out, HasSubstr("sekishod unknown: can't reach the agent"));
    EXPECT_EQ(perform({"version", "--socket", socket(), "--json"}).out,
              R"({"sekisho":")" SEKISHO_VERSION R"(","agent":null})"
              "\n");
}

TEST_F(RunTest, JsonIsTheAgentsOwnInOneLine) {
    EXPECT_EQ(
        with_agent({"exempt", "list", "--json"}).out,
        R"({"exemptions":[{"prefix":"192.0.2.128/28","note":"contract 7","since":"2026-01-02T03:04:05Z"}]})"
        "\n");
    EXPECT_EQ(with_agent({"--json", "grant", "show", "192.0.2.10"}).out, std::string(grant) + "\n");
    EXPECT_EQ(with_agent({"status", "--json"}, answer(200, "{\n \"a\": 1\n}\n")).out, "{\"a\":1}\n");
    for (const std::vector<std::string>& command : {std::vector<std::string>{"status"},
                                                    {"interface", "list"},
                                                    {"exempt", "list"},
                                                    {"grant", "add", "192.0.2.10"},
                                                    {"exempt", "add", "192.0.2.128/28"},
                                                    {"exempt", "remove", "192.0.2.128/28"},
                                                    {"why", "2001:db8::1"}}) {
        auto arguments = command;
        arguments.emplace_back("--json");
        const Outcome outcome = with_agent(arguments);
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1);
        EXPECT_TRUE(boost::json::parse(outcome.out).is_object());
    }
}

TEST_F(RunTest, EmptyListsSaySo) {
    EXPECT_EQ(with_agent({"grant", "list"}, answer(200, R"({"grants":[]})")).out, "no grants\n");
    EXPECT_EQ(with_agent({"exempt", "list"}, answer(200, R"({"exemptions":[]})")).out, "no exemptions\n");
    EXPECT_EQ(with_agent({"interface", "list"}, answer(200, R"({"interfaces":[]})")).out, "no interfaces\n");
    EXPECT_THAT(with_agent({"status"}, answer(200, "{}")).out, HasSubstr("no pools"));
}

TEST_F(RunTest, HostileNamesCannotMoveTheCursor) {
    const std::string hostile =
        R"({"grants":[{"key":"192.0.2.1/32","user":"eve\u001b[2J\n192.0.2.9/32\u202e","reason":"\u0007\u009b","seconds_left":1}]})";
    const Outcome outcome = with_agent({"grant", "list"}, answer(200, hostile));
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("eve\\x1b[2J\\x0a192.0.2.9/32\\u{202e}"), Not(HasSubstr("\x1b")),
                                   Not(HasSubstr("\x07"))));
    EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 2);

    const Outcome error =
        with_agent({"grant", "show", "192.0.2.1"},
                   answer(404, R"({"error":{"kind":"not_found","what":"no\u001b[1m","remedy":"a\nb"}})"));
    EXPECT_EQ(error.code, 1);
    EXPECT_EQ(error.err, "sekisho: no\\x1b[1m\n  a\\x0ab\n");
}

TEST_F(RunTest, RefusalsAreExitCodeOneWithTheRemedy) {
    const std::string refusal =
        R"({"error":{"kind":"refused","what":"203.0.113.1 lies in no pool","remedy":"name a subscriber"}})";
    const Outcome outcome = with_agent({"grant", "add", "203.0.113.1"}, answer(403, refusal));
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "sekisho: 203.0.113.1 lies in no pool\n  name a subscriber\n");
    const Outcome as_json = with_agent({"grant", "add", "203.0.113.1", "--json"}, answer(403, refusal));
    EXPECT_EQ(as_json.code, 1);
    EXPECT_EQ(as_json.out, refusal + "\n");
    EXPECT_EQ(as_json.err, outcome.err);
}

TEST_F(RunTest, EveryCommandSaysThatTheAgentIsMissing) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{"status"},
                                                    {"interface", "list"},
                                                    {"grant", "list"},
                                                    {"grant", "add", "192.0.2.1"},
                                                    {"grant", "show", "192.0.2.1"},
                                                    {"grant", "revoke", "192.0.2.1"},
                                                    {"exempt", "list"},
                                                    {"exempt", "add", "192.0.2.1"},
                                                    {"exempt", "remove", "192.0.2.1"},
                                                    {"why", "192.0.2.1"}}) {
        std::vector<std::string> arguments{"--socket", socket(), "--json"};
        arguments.insert(arguments.end(), command.begin(), command.end());
        const Outcome outcome = perform(arguments);
        EXPECT_EQ(outcome.code, 1);
        EXPECT_THAT(outcome.err,
                    AllOf(StartsWith("sekisho: can't reach the agent at " + socket() + ": no such file\n  "),
                          HasSubstr("systemctl status sekisho-agent")));
        EXPECT_EQ(boost::json::parse(outcome.out).at("error").at("kind"), "unavailable");
    }
}

TEST_F(RunTest, AnAnswerThatIsNoJsonIsAnError) {
    for (const char* const body : {"<html>", "[1]", "{\"a\":", ""}) {
        const Outcome outcome = with_agent({"status"}, answer(body[0] == '\0' ? 500 : 200, body));
        EXPECT_EQ(outcome.code, 1) << body;
        EXPECT_THAT(outcome.err, StartsWith("sekisho: the agent")) << body;
    }
}

TEST_F(RunTest, WrongUsageIsExitCodeTwoAndAsksNobody) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{},
                                                    {"frobnicate"},
                                                    {"status", "now"},
                                                    {"grant"},
                                                    {"grant", "list", "status"},
                                                    {"grant", "add"},
                                                    {"grant", "add", "192.0.2.300"},
                                                    {"grant", "add", "192.0.2.0/24"},
                                                    {"grant", "add", ""},
                                                    {"grant", "add", "192.0.2.1", "--for", "10"},
                                                    {"grant", "add", "192.0.2.1", "--for", "0s"},
                                                    {"grant", "add", "192.0.2.1", "--for"},
                                                    {"grant", "add", "192.0.2.1", "192.0.2.2"},
                                                    {"exempt", "add", "192.0.2.1/24"},
                                                    {"exempt", "remove", "dsl"},
                                                    {"why"},
                                                    {"why", "192.0.2.1", "2001:db8::1"},
                                                    {"why", "192.0.2.1", "mail.example.net"},
                                                    {"status", "--yaml"}}) {
        const Outcome outcome = with_agent(command);
        EXPECT_EQ(outcome.code, 2) << testing::PrintToString(command) << outcome.out;
        EXPECT_EQ(outcome.out, "");
        EXPECT_THAT(outcome.err, StartsWith("sekisho: ")) << testing::PrintToString(command);
        EXPECT_TRUE(asked().empty()) << testing::PrintToString(command);
        auto with_json = command;
        with_json.emplace_back("--json");
        EXPECT_EQ(boost::json::parse(with_agent(with_json).out).at("error").at("kind"), "invalid");
    }
}

TEST_F(RunTest, UsageErrorsNameTheMistakeAndTheHelp) {
    EXPECT_EQ(perform({"frobnicate"}).err,
              "sekisho: \"frobnicate\" is not known here\n  see sekisho --help\n");
    EXPECT_THAT(perform({"grant", "add"}).err,
                AllOf(HasSubstr("ADDRESS"), HasSubstr("see sekisho grant add --help")));
    EXPECT_THAT(perform({"grant", "show", "2001:db8:100::/56"}).err, HasSubstr("such as 2001:db8:100::\n"));
}

TEST_F(RunTest, HelpHasExamples) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{},
                                                    {"status"},
                                                    {"doctor"},
                                                    {"version"},
                                                    {"why"},
                                                    {"interface"},
                                                    {"interface", "list"},
                                                    {"grant"},
                                                    {"grant", "add"},
                                                    {"grant", "import"},
                                                    {"grant", "list"},
                                                    {"grant", "show"},
                                                    {"grant", "revoke"},
                                                    {"blocked"},
                                                    {"blocked", "top"},
                                                    {"quarantine"},
                                                    {"quarantine", "add"},
                                                    {"quarantine", "list"},
                                                    {"quarantine", "remove"},
                                                    {"lockout"},
                                                    {"lockout", "list"},
                                                    {"lockout", "remove"},
                                                    {"logins"},
                                                    {"logins", "list"},
                                                    {"logins", "test"},
                                                    {"logins", "patterns"},
                                                    {"events"},
                                                    {"dataplane"},
                                                    {"exempt"},
                                                    {"exempt", "add"},
                                                    {"exempt", "list"},
                                                    {"exempt", "remove"},
                                                    {"config"},
                                                    {"config", "check"}}) {
        auto arguments = command;
        arguments.emplace_back("--help");
        const Outcome outcome = perform(arguments);
        EXPECT_EQ(outcome.code, 0) << testing::PrintToString(command);
        std::string example = "Examples:\n  sekisho";
        for (const std::string& word : command) {
            example += " " + word;
        }
        EXPECT_THAT(outcome.out, HasSubstr(example)) << outcome.out;
        EXPECT_EQ(outcome.err, "");
    }
    EXPECT_EQ(perform({"--version"}).out, "sekisho " SEKISHO_VERSION "\n");
}

}  // namespace

}  // namespace sekisho::cli
