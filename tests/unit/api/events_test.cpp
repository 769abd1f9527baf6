// SPDX-License-Identifier: Apache-2.0
// The route to the audit log, and who ordered what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/unit/api/fake_agent.h"

namespace sekisho::api {
namespace {

namespace json = boost::json;

TEST_F(Routes, Events) {
    EXPECT_EQ(parsed(ask("GET", "/v1/events")), json::parse(R"({"events":[
        {"id":41,"when":"2026-01-31T12:00:00Z","name":"LOGIN_REFUSED","text":"no","key":"192.0.2.1/32",
         "user":"a\"b\n","reporter":"mail1","protocol":"pop3","rule":"webmail","session":7,"by":"","seconds":0},
        {"id":43,"when":"2026-01-31T12:00:01Z","name":"GRANTS_IMPORTED","text":"2 opened","key":null,
         "user":"","reporter":"","protocol":"","rule":"","session":null,"by":"uid 0","seconds":600}],
        "last":43,"before":null})"));
    EXPECT_EQ(agent_.asked_for, "last 100 - // -");
    EXPECT_EQ(ask("GET", "/v1/events", {}, Role::viewer).status, 200);
    EXPECT_EQ(ask("GET", "/v1/events", {}, Role::reporter).status, 403);
    EXPECT_EQ(ask("POST", "/v1/events").status, 405);
    agent_.broken = true;
    EXPECT_EQ(error_kind(ask("GET", "/v1/events")), "unavailable");
}

TEST_F(Routes, Reporters) {
    EXPECT_EQ(parsed(ask("GET", "/v1/logins")), json::parse(R"({"reporters":[
        {"name":"mail1","kind":"dovecot","where":"192.0.2.1:4001","granted":3,"refused":2,"rejected":1,
         "lines":null,"trouble":""},
        {"name":"mail.log","kind":"log","where":"/var/log/mail.log","granted":0,"refused":0,"rejected":0,
         "lines":7,"trouble":"no such file"}]})"));
    EXPECT_EQ(ask("GET", "/v1/logins", {}, Role::viewer).status, 200);
    EXPECT_EQ(ask("GET", "/v1/logins", {}, Role::reporter).status, 403) << "it tells, and asks nothing";
    EXPECT_EQ(ask("POST", "/v1/logins", {}, Role::operator_).status, 403);
}

TEST_F(Routes, EventsAreFiltered) {
    EXPECT_EQ(
        ask("GET", "/v1/events?after=0&count=5&within=192.0.2.0%2F24&name=N&user=a%40b&reporter=r&since=60")
            .status,
        200);
    EXPECT_EQ(agent_.asked_for, "after 0 5 192.0.2.0/24 N/a@b/r 60");
    EXPECT_EQ(ask("GET", "/v1/events?session=7&before=9").status, 200);
    EXPECT_EQ(agent_.asked_for, "last 100 - // - session 7 before 9");
    EXPECT_EQ(ask("GET", "/v1/events?within=2001:db8:100:a12::1").status, 200);
    EXPECT_EQ(agent_.asked_for, "last 100 2001:db8:100:a00::/56 // -") << "an address means its subscriber";
    for (const char* wrong : {"count=0", "count=10001", "after=-1", "after=x", "since=1h", "within=192.0.2",
                              "within=192.0.2.1/24", "session=x", "before=-1"}) {
        EXPECT_EQ(error_kind(ask("GET", std::string("/v1/events?") + wrong)), "invalid") << wrong;
    }
}

TEST(EventWaits, OnlyThisRouteWaitsAndNotForLong) {
    Request request;
    request.method = "GET";
    request.path = "/v1/events";
    request.query = "after=7&wait=5";
    EXPECT_EQ(wait_of(request), 5s);
    EXPECT_EQ(after_of(request), 7U);
    request.query = "wait=100000";
    EXPECT_EQ(wait_of(request), longest_wait);
    EXPECT_EQ(after_of(request), 0U);
    for (const char* none : {"", "wait=0", "wait=-1", "wait=x"}) {
        request.query = none;
        EXPECT_EQ(wait_of(request), 0s) << none;
    }
    request.query = "wait=5";
    request.path = "/v1/grants";
    EXPECT_EQ(wait_of(request), 0s);
}

TEST_F(Routes, WhoOrderedIsSaid) {
    for (const auto& [method, target, body] :
         {std::tuple{"POST", "/v1/grants", R"({"address":"192.0.2.1"})"},
          {"POST", "/v1/grants/import", R"({"addresses":["192.0.2.1"]})"},
          {"DELETE", "/v1/grants/192.0.2.1", ""},
          {"POST", "/v1/quarantines", R"({"address":"192.0.2.3","note":"n"})"},
          {"DELETE", "/v1/quarantines/192.0.2.3", ""},
          {"DELETE", "/v1/lockouts/192.0.2.7", ""},
          {"POST", "/v1/exemptions", R"({"prefix":"192.0.2.1/32"})"},
          {"DELETE", "/v1/exemptions?prefix=192.0.2.1%2F32", ""},
          {"POST", "/v1/subscribers/import", R"({"subscribers":[]})"}}) {
        user_++;
        EXPECT_LT(ask(method, target, body).status, 300) << method << ' ' << target;
        EXPECT_EQ(agent_.last_by, "uid " + std::to_string(user_)) << method << ' ' << target;
    }
}

}  // namespace
}  // namespace sekisho::api
