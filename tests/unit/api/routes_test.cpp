// SPDX-License-Identifier: Apache-2.0
// The routes: each operation from request to call to answer, and who may ask for it.
#include "agent/api/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "agent/api/client.h"
#include "agent/api/server.h"
#include "tests/unit/api/fake_agent.h"
#include "tests/unit/api/wire.h"

namespace sekisho::api {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST_F(Routes, Reports) {
    EXPECT_EQ(parsed(ask("GET", "/v1/version")), json::parse(R"({"version":"1.2.3","abi":7})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/status")),
              json::parse(R"({"state":"enforcing","since":"2026-01-31T12:00:00Z",
        "uptime_seconds":90,"pid":42,"interfaces":2,"grants":3,"exemptions":4,
        "cool_downs":5,"quarantines":8,"flows":6,"overruns":7,"foreign_prefixes":9,
        "pools":[{"name":"dsl","action":"reset","prefixes":["192.0.2.0/24"]}],
        "counts":[{"reason":"not_granted","verdict":"reset","packets":5,"bytes":370}],
        "logins":[{"name":"mail1","granted":1,"refused":2,"rejected":3}]})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/doctor")),
              json::parse(
                  R"({"checks":[{"name":"btf","ok":false,"detail":"missing","remedy":"a newer kernel"}]})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/interfaces")),
              json::parse(R"({"interfaces":[{"name":"sub-1","index":3,"side":"subscriber",
        "driver":"veth","mode":"xdp","why":"the driver has it","program":17,"fast_path":"on","attached":true,"closed":false,
        "unjudged_packets":12,"unjudged_microseconds":340,
        "counts":[{"reason":"not_granted","verdict":"reset","packets":5,"bytes":370}]}]})"));
    const Response metrics = ask("GET", "/metrics");
    EXPECT_EQ(metrics.body, "sekisho_grants 3\n");
    EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4");
}

TEST_F(Routes, ShowsGrants) {
    const json::value grant =
        json::parse(R"({"key":"192.0.2.1/32","pool":"dsl","source":"mail1","user":"a\"b\n",
        "reason":"pop3 login","since":"2026-01-31T12:00:00Z","expires":"2026-01-31T12:10:00Z","seconds_left":599,
        "scope":"edge","edge_until":null,"relay_until":null,"budget":50,"session":7})");
    const json::value cool_down =
        json::parse(R"({"key":"192.0.2.9/32","cause":"revoked","user":"bob","since":"2026-01-31T12:00:00Z",
        "until":"2026-01-31T12:15:00Z","seconds_left":899})");
    EXPECT_EQ(parsed(ask("GET", "/v1/grants")), (json::value{{"grants", json::array{grant}},
                                                             {"next", nullptr},
                                                             {"cool_downs", json::array{cool_down}}}));
    EXPECT_EQ(agent_.asked_for, "1000 - - /");
    const json::value page = parsed(
        ask("GET", "/v1/grants?count=1&after=192.0.2.0%2F32&within=192.0.2.0%2F24&user=a%40b&source=mail1"));
    EXPECT_EQ(page.at("next").as_string(), "192.0.2.1/32");
    EXPECT_EQ(agent_.asked_for, "1 192.0.2.0/32 192.0.2.0/24 a@b/mail1");
    EXPECT_EQ(ask("GET", "/v1/grants?session=7").status, 200);
    EXPECT_EQ(agent_.asked_for, "1000 - - / 7");
    for (const char* wrong : {"count=0", "after=x", "within=192.0.2", "session=x"}) {
        EXPECT_EQ(error_kind(ask("GET", std::string("/v1/grants?") + wrong)), "invalid") << wrong;
    }
    json::value used = grant;
    used.as_object()["connections_left"] = 49;
    used.as_object()["flows"] = 1;
    EXPECT_EQ(parsed(ask("GET", "/v1/grants/192.0.2.1")), used);
    EXPECT_EQ(parsed(ask("GET", "/v1/grants/%3a%3affff%3A192.0.2.1")), used);
    const Response missing = ask("GET", "/v1/grants/2001:db8::1");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(error_kind(missing), "not_found");
}

TEST_F(Routes, OpensAndRevokesGrants) {
    const Response opened = ask("POST", "/v1/grants", R"({"address":"192.0.2.7","seconds":60,"reason":"r"})");
    EXPECT_EQ(opened.status, 201);
    EXPECT_EQ(parsed(opened).at("key").as_string(), "192.0.2.7/32");
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.8"})").status, 201);
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"2001:db8::1"})").status, 403);
    const Response revoked = ask("DELETE", "/v1/grants/192.0.2.7");
    EXPECT_EQ(revoked.status, 204);
    EXPECT_EQ(revoked.body, "");
    EXPECT_EQ(ask("DELETE", "/v1/grants/2001:db8::1").status, 404);
    EXPECT_THAT(agent_.calls,
                ::testing::ElementsAre("grant 192.0.2.7 60 r", "grant 192.0.2.8 - ", "grant 2001:db8::1 - ",
                                       "revoke 192.0.2.7", "revoke 2001:db8::1"));
}

TEST_F(Routes, GrantsMayBeForTheRelay) {
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.7","scope":"relay"})").status, 201);
    EXPECT_EQ(ask("POST", "/v1/grants/import", R"({"addresses":["192.0.2.7"],"scope":"relay,edge"})").status,
              200);
    for (const char* wrong : {"\"\"", "\"mail\"", "7", "[\"edge\"]"}) {
        const std::string body = std::string(R"({"address":"192.0.2.7","scope":)") + wrong + "}";
        EXPECT_EQ(error_kind(ask("POST", "/v1/grants", body)), "invalid") << wrong;
    }
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("grant 192.0.2.7 - for relay ",
                                                     "import 1 from 192.0.2.7 - for edge,relay "));
}

TEST_F(Routes, ImportsGrants) {
    const Response done = ask("POST", "/v1/grants/import",
                              R"({"addresses":["192.0.2.7","192.0.2.8/32","2001:db8::1"],
        "seconds":60,"budget":5,"reason":"r"})");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(
        parsed(done),
        json::parse(R"({"opened":2,"kept":0,"refused":[{"address":"2001:db8::1","why":"in no pool"}]})"));
    for (const char* wrong :
         {R"({})", R"({"addresses":"192.0.2.7"})", R"({"addresses":[7]})",
          R"({"addresses":["192.0.2.0/24"]})", R"({"addresses":["192.0.2.7"],"seconds":0})",
          R"({"addresses":["192.0.2.7"],"budget":-1})"}) {
        EXPECT_EQ(ask("POST", "/v1/grants/import", wrong).status, 400) << wrong;
    }
    EXPECT_EQ(ask("GET", "/v1/grants/import").status, 400);
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("import 3 from 192.0.2.7 60 5 r"));
}

TEST_F(Routes, AKeyNamesItsSubscriber) {
    EXPECT_EQ(ask("GET", "/v1/grants/192.0.2.1%2F32").status, 200);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.7%2F32").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/grants/2001:db8:100:a00::%2F56").status, 404);
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.7/32"})").status, 201);
    EXPECT_EQ(parsed(ask("GET", "/v1/why?address=2001:db8:100:a00::/56")).at("address"),
              "2001:db8:100:a00::");
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("revoke 192.0.2.7",
                                                     "revoke 2001:db8:100:a00::", "grant 192.0.2.7 - "));
}

TEST_F(Routes, APrefixThatIsNoKeyNamesNobody) {
    for (const char* prefix : {"192.0.2.0%2F31", "2001:db8:100:a00::%2F48", "2001:db8:100:a00::%2F64",
                               "2001:db8:ffff::%2F56", "192.0.2.1%2F24", "%2F32"}) {
        for (const char* method : {"GET", "DELETE"}) {
            const Response response = ask(method, std::string("/v1/grants/") + prefix);
            EXPECT_EQ(response.status, 400) << prefix;
            EXPECT_FALSE(parsed(response).at("error").at("remedy").as_string().empty()) << prefix;
        }
    }
    const Response wide = ask("POST", "/v1/grants", R"({"address":"2001:db8:100:a00::/48"})");
    EXPECT_EQ(wide.status, 400);
    EXPECT_TRUE(agent_.calls.empty());
}

TEST_F(Routes, SaysThatALongerGrantStays) {
    const Response kept = ask("POST", "/v1/grants", R"({"address":"192.0.2.1","seconds":60})");
    EXPECT_EQ(kept.status, 200);
    EXPECT_EQ(parsed(kept).at("kept"), true);
    const Response fresh = ask("POST", "/v1/grants", R"({"address":"192.0.2.7","seconds":60})");
    EXPECT_EQ(fresh.status, 201);
    EXPECT_EQ(parsed(fresh).at("kept"), false);
}

TEST_F(Routes, SaysThatARevokedSubscriberIsExempt) {
    agent_.exempt = true;
    const Response revoked = ask("DELETE", "/v1/grants/192.0.2.7");
    EXPECT_EQ(revoked.status, 200);
    EXPECT_EQ(revoked.body, R"({"exempt":true})");
}

// Only the agent knows the longest grant, so it is the one to refuse.
TEST_F(Routes, LongTimesReachTheAgent) {
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.7","seconds":3153600000})").status, 201);
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("grant 192.0.2.7 3153600000 "));
}

TEST_F(Routes, Exemptions) {
    EXPECT_EQ(parsed(ask("GET", "/v1/exemptions")),
              json::parse(R"({"exemptions":[{"prefix":"192.0.2.8/29","note":"contract 7",
        "since":"2026-01-31T12:00:00Z"}]})"));
    const Response added = ask("POST", "/v1/exemptions", R"({"prefix":"192.0.2.3","note":"n"})");
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(parsed(added).at("prefix").as_string(), "192.0.2.3/32");
    const Response conflict = ask("POST", "/v1/exemptions", R"({"prefix":"192.0.2.0/24"})");
    EXPECT_EQ(conflict.status, 409);
    EXPECT_EQ(error_kind(conflict), "conflict");
    EXPECT_EQ(ask("DELETE", "/v1/exemptions?prefix=192.0.2.0%2F24").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/exemptions").status, 400);
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("exempt 192.0.2.3/32 n", "exempt 192.0.2.0/24 ",
                                                     "unexempt 192.0.2.0/24"));
}

TEST_F(Routes, Why) {
    EXPECT_EQ(parsed(ask("GET", "/v1/why?address=192.0.2.1&destination=2001:db8::25")),
              json::parse(R"({"address":"192.0.2.1","destination":"2001:db8::25","verdict":"reset",
        "reason":"not_granted","steps":[{"rule":"designated","matched":false,"detail":"no"},
        {"rule":"not_granted","matched":true,"detail":"everything else"}]})"));
    EXPECT_TRUE(parsed(ask("GET", "/v1/why?address=192.0.2.1")).at("destination").is_null());
    for (const char* target : {"/v1/why", "/v1/why?address", "/v1/why?address=", "/v1/why?address=x",
                               "/v1/why?address=192.0.2.1&destination=x", "/v1/why?address=%zz"}) {
        const Response response = ask("GET", target);
        EXPECT_EQ(response.status, 400) << target;
        EXPECT_EQ(error_kind(response), "invalid");
    }
}

TEST_F(Routes, BodiesThatAreNotUnderstoodChangeNothing) {
    for (const char* body :
         {"", "{", "[]", "null", "\"192.0.2.1\"", "{}", R"({"address":1})", R"({"address":"x"})",
          R"({"address":"192.0.2.0/31"})", R"({"address":"192.0.2.1","seconds":0})",
          R"({"address":"192.0.2.1","seconds":-1})", R"({"address":"192.0.2.1","seconds":1.5})",
          R"({"address":"192.0.2.1","seconds":"60"})",
          R"({"address":"192.0.2.1","seconds":99999999999999999999})",
          R"({"address":"192.0.2.1","reason":7})", R"({"address":"192.0.2.1","limit":7})",
          R"({"address":"192.0.2.1"} x)", "{\"address\":\"192.0.2.1\",\"reason\":\"\xff\"}",
          R"({"address":{"a":{"b":{"c":{"d":{"e":1}}}}}})"}) {
        const Response response = ask("POST", "/v1/grants", body);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_EQ(error_kind(response), "invalid") << body;
    }
    const std::string long_reason = R"({"address":"192.0.2.1","reason":")" + std::string(501, 'x') + "\"}";
    EXPECT_EQ(ask("POST", "/v1/grants", long_reason).status, 400);
    EXPECT_TRUE(agent_.calls.empty());
}

TEST_F(Routes, WhatIsNotThere) {
    for (const char* path :
         {"/", "/v1", "/v1/", "/v1/statu", "/v1/status/", "/v1/grants/", "/v2/status", "/metrics/x"}) {
        const Response response = ask("GET", path);
        EXPECT_EQ(response.status, 404) << path;
        EXPECT_EQ(error_kind(response), "not_found");
    }
    // The answer is JSON whatever was asked for.
    EXPECT_NO_THROW(parsed(ask("GET", "/\xff\x1b")));
}

TEST_F(Routes, MethodsThatAreNotPossible) {
    const Response response = ask("PUT", "/v1/grants");
    EXPECT_EQ(response.status, 405);
    EXPECT_THAT(response.headers, ::testing::ElementsAre(std::pair("Allow", "GET, POST")));
    EXPECT_EQ(ask("POST", "/v1/status").status, 405);
    EXPECT_EQ(ask("DELETE", "/v1/grants").status, 405);
}

TEST_F(Routes, FailuresHaveTheirStatus) {
    agent_.broken = true;
    const Response response = ask("GET", "/v1/status");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body,
              R"({"error":{"kind":"unavailable","what":"the kernel's maps are gone","remedy":"restart"}})");
}

TEST_F(Routes, ViewersMayLookOnly) {
    for (const char* target :
         {"/v1/version", "/v1/status", "/v1/doctor", "/v1/interfaces", "/v1/grants", "/v1/grants/192.0.2.1",
          "/v1/exemptions", "/v1/why?address=192.0.2.1", "/metrics"}) {
        EXPECT_EQ(ask("GET", target, "", Role::viewer).status, 200) << target;
        EXPECT_EQ(ask("GET", target, "", Role::none).status, 403) << target;
    }
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.1"})", Role::viewer).status, 403);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.1", "", Role::viewer).status, 403);
    EXPECT_EQ(ask("POST", "/v1/exemptions", R"({"prefix":"192.0.2.1"})", Role::viewer).status, 403);
    EXPECT_EQ(ask("DELETE", "/v1/exemptions?prefix=192.0.2.1", "", Role::viewer).status, 403);
    EXPECT_EQ(ask("GET", "/nothing", "", Role::none).status, 403) << "strangers learn nothing";
    EXPECT_THAT(ask("GET", "/v1/status", "", Role::none).body, HasSubstr("api.viewers"));
    EXPECT_THAT(ask("DELETE", "/v1/grants/192.0.2.1", "", Role::none).body,
                ::testing::Not(HasSubstr("api.viewers")));
    EXPECT_TRUE(agent_.calls.empty());
}

constexpr const char* login = R"({"address":"192.0.2.7","user":"anna","protocol":"smtp","success":true})";

TEST_F(Routes, LoginsAreReported) {
    const Response granted = ask("POST", "/v1/logins", login, Role::reporter);
    EXPECT_EQ(granted.status, 200);
    EXPECT_EQ(parsed(granted),
              json::parse(R"({"granted":true,"key":"192.0.2.7/32","expires":"2026-01-31T12:10:00Z"})"));
    const Response refused =
        ask("POST", "/v1/logins",
            R"({"address":"2001:db8::1","user":"bert","protocol":"smtp","success":false})", Role::reporter);
    EXPECT_EQ(refused.status, 200);
    EXPECT_EQ(parsed(refused), json::parse(R"({"granted":false,"reason":"in no pool"})"));
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("login 192.0.2.7 anna smtp tls yes",
                                                     "login 2001:db8::1 bert smtp tls no"));
    ask("POST", "/v1/logins",
        R"({"address":"192.0.2.7","port":4312,"user":"anna","protocol":"smtp","mechanism":"PLAIN","tls":true,"success":true})",
        Role::reporter);
    EXPECT_EQ(agent_.calls.back(), "login 192.0.2.7:4312 anna smtp PLAIN tls yes");
    ask("POST", "/v1/logins",
        R"({"address":"192.0.2.7","user":"anna","also":["Sales@x","boss"],"protocol":"smtp","success":false})",
        Role::reporter);
    EXPECT_EQ(agent_.calls.back(), "login 192.0.2.7 anna (Sales@x) (boss) smtp tls no");
    const Response locked =
        ask("POST", "/v1/logins",
            R"({"address":"192.0.2.7","user":"locked","protocol":"smtp","success":true})", Role::reporter);
    EXPECT_EQ(parsed(locked), json::parse(R"({"granted":false,"reason":"too many","locked":true})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/locked/192.0.2.7?user=locked", "", Role::reporter)),
              json::parse(R"({"locked":true})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/locked/2001%3Adb8%3A%3A1", "", Role::reporter)),
              json::parse(R"({"locked":false})"));
    EXPECT_EQ(agent_.calls.back(), "locked 2001:db8::1 ");
    ask("GET", "/v1/locked/192.0.2.7?user=anna&also=Sales%40x&also=boss", "", Role::reporter);
    EXPECT_EQ(agent_.calls.back(), "locked 192.0.2.7 anna (Sales@x) (boss)");
    EXPECT_EQ(
        ask("GET", "/v1/locked/192.0.2.7?also=a&also=b&also=c&also=d&also=e", "", Role::reporter).status,
        400);
    EXPECT_EQ(ask("GET", "/v1/locked/192.0.2.0%2F24", "", Role::reporter).status, 400);
    EXPECT_EQ(ask("GET", "/v1/locked/192.0.2.7", "", Role::none).status, 403);
    agent_.broken = true;
    EXPECT_EQ(ask("POST", "/v1/logins", login, Role::reporter).status, 403);
}

TEST_F(Routes, OnlyRootAndTheReporterReport) {
    for (const Role role : {Role::none, Role::viewer, Role::operator_}) {
        const Response response = ask("POST", "/v1/logins", login, role);
        EXPECT_EQ(response.status, 403);
        EXPECT_THAT(response.body, HasSubstr("[login.submission]"));
    }
    EXPECT_TRUE(agent_.calls.empty());
    user_ = 0;
    EXPECT_EQ(ask("POST", "/v1/logins", login).status, 200);
    EXPECT_EQ(agent_.calls.size(), 1U);
}

TEST_F(Routes, TheReporterMayDoNothingElse) {
    for (const auto& [method, target] : {std::pair("GET", "/v1/version"),
                                         {"GET", "/v1/status"},
                                         {"GET", "/v1/grants"},
                                         {"GET", "/metrics"},
                                         {"GET", "/nothing"},
                                         {"DELETE", "/v1/grants/192.0.2.1"},
                                         {"POST", "/v1/grants"}}) {
        EXPECT_EQ(ask(method, target, R"({"address":"192.0.2.1"})", Role::reporter).status, 403) << target;
    }
    EXPECT_EQ(ask("GET", "/v1/logins", "", Role::reporter).status, 403);
    EXPECT_TRUE(agent_.calls.empty());
}

TEST_F(Routes, WhoeverReportsLoginsAsksWhoMayRelay) {
    for (const Role role : {Role::reporter, Role::viewer, Role::operator_}) {
        EXPECT_EQ(parsed(ask("GET", "/v1/relay/192.0.2.1", "", role)),
                  json::parse(R"({"relay":true,"user":"a\"b\n","until":"2026-01-31T12:10:00Z"})"));
        EXPECT_EQ(parsed(ask("GET", "/v1/relay/2001%3Adb8::1", "", role)), json::parse(R"({"relay":false})"));
    }
    EXPECT_EQ(ask("GET", "/v1/relay/192.0.2.1", "", Role::none).status, 403);
    EXPECT_EQ(ask("DELETE", "/v1/relay/192.0.2.1", "", Role::reporter).status, 403);
    EXPECT_EQ(ask("DELETE", "/v1/relay/192.0.2.1", "", Role::operator_).status, 405);
    for (const char* wrong : {"192.0.2.0/24", "192.0.2.256", "%zz", "a/b"}) {
        EXPECT_EQ(error_kind(ask("GET", std::string("/v1/relay/") + wrong, "", Role::reporter)), "invalid");
    }
    EXPECT_EQ(ask("GET", "/v1/relay/", "", Role::reporter).status, 404);
}

TEST_F(Routes, ReportsThatAreNotUnderstoodAreNone) {
    for (
        const char* body :
        {"", "{}", R"({"address":"192.0.2.7","user":"a","protocol":"smtp"})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp","success":"yes"})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp","success":1})",
         R"({"address":"192.0.2.7","user":"a","protocol":"","success":true})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp-smtp-smtp-smtp-smtp-smtp-smtp","success":true})",
         R"({"address":"192.0.2.7/32","user":"a","protocol":"smtp","success":true})",
         R"({"address":"","user":"a","protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","user":7,"protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","port":0,"user":"a","protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","port":65536,"user":"a","protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","port":"25","user":"a","protocol":"smtp","success":true})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp","mechanism":1,"success":true})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp","tls":"yes","success":true})",
         R"({"address":"192.0.2.7","user":"a","protocol":"smtp","success":true,"lifetime":9})"}) {
        const Response response = ask("POST", "/v1/logins", body, Role::reporter);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_EQ(error_kind(response), "invalid") << body;
    }
    EXPECT_TRUE(agent_.calls.empty());
}

TEST(Roles, TheReporterIsNothingElse) {
    const ApiConfig config{.socket = "/x", .operators = {"daemon"}, .viewers = {"nobody"}};
    EXPECT_EQ(role_of(config, Peer{{}, 0, 1}, "daemon"), Role::reporter);
    EXPECT_EQ(role_of(config, Peer{{}, 0, 65534}, "nobody"), Role::reporter);
    EXPECT_EQ(role_of(config, Peer{{}, 0, 65534}, "daemon"), Role::viewer);
    EXPECT_EQ(role_of(config, Peer{{}, 0, 0}, "root"), Role::operator_);
    EXPECT_EQ(role_of(config, Peer{{}, 0, 4'000'000'000U}, ""), Role::none);
}

TEST(Roles, ComeFromTheUser) {
    const ApiConfig config{.socket = "/x", .operators = {"daemon"}, .viewers = {"nobody", "daemon"}};
    const auto role = [&config](std::optional<uid_t> user) { return role_of(config, Peer{{}, 0, user}); };
    EXPECT_EQ(role(0), Role::operator_);
    EXPECT_EQ(role(::geteuid()), Role::operator_);
    EXPECT_EQ(role(1), Role::operator_) << "daemon is user 1 on Debian; operators look, too";
    EXPECT_EQ(role(65534), Role::viewer) << "nobody";
    EXPECT_EQ(role(2), Role::none);
    EXPECT_EQ(role(4'000'000'000U), Role::none) << "a user without a name";
    EXPECT_EQ(role(std::nullopt), Role::none);
    EXPECT_EQ(role_of(config, Peer{parse_address("127.0.0.1").value(), 25, {}}), Role::none);
}

TEST(Serve, TheClientReachesTheAgent) {
    const tests::Directory directory;
    tests::Runner runner;
    FakeAgent agent;
    const ApiConfig config{.socket = directory / "agent.sock", .operators = {}, .viewers = {}};
    auto server = runner.on_thread([&] { return serve(runner.context().get_executor(), config, agent); });
    ASSERT_TRUE(server) << server.error().what;
    const Client client(config.socket);
    const auto version = client.request("GET", "/v1/version");
    ASSERT_TRUE(version) << version.error().what;
    EXPECT_EQ(version->body, R"({"version":"1.2.3","abi":7})");
    const auto refused = client.request("POST", "/v1/grants", R"({"address":"2001:db8::1"})");
    ASSERT_TRUE(refused);
    const auto checked = check(*refused);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind, Failure::refused);
    EXPECT_EQ(checked.error().what, "in no pool");
    EXPECT_EQ(checked.error().remedy, "see config");
    EXPECT_EQ(agent.settles, 2) << "nothing is answered before it is on the disk";
    runner.on_thread([&server] { auto gone = std::move(*server); });
}

}  // namespace
}  // namespace sekisho::api
