// SPDX-License-Identifier: Apache-2.0
// The routes by which an abuse engineer works: who is being blocked, quarantines, budgets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/unit/api/fake_agent.h"

namespace sekisho::api {
namespace {

namespace json = boost::json;

TEST_F(Routes, BudgetsAndConnections) {
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.7","budget":5})").status, 201);
    EXPECT_EQ(ask("POST", "/v1/grants", R"({"address":"192.0.2.7","budget":0})").status, 201);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.7?kill=true").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.7?kill=false").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.7?cool_down=true").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/grants/192.0.2.7?kill=true&cool_down=false").status, 204);
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("grant 192.0.2.7 - 5 ", "grant 192.0.2.7 - 0 ",
                                                     "kill 192.0.2.7", "revoke 192.0.2.7", "revoke 192.0.2.7",
                                                     "kill 192.0.2.7 no cool-down"));
    for (const char* wrong : {"-1", "1.5", "\"5\"", "4294967296", "null"}) {
        const Response response =
            ask("POST", "/v1/grants", std::string(R"({"address":"192.0.2.7","budget":)") + wrong + "}");
        EXPECT_EQ(response.status, 400) << wrong;
    }
}

TEST_F(Routes, Quarantines) {
    EXPECT_EQ(parsed(ask("GET", "/v1/quarantines")),
              json::parse(R"({"quarantines":[{"key":"192.0.2.66/32","note":"ticket 4712",
        "since":"2026-01-31T12:00:00Z"}]})"));
    const Response added = ask("POST", "/v1/quarantines", R"({"address":"192.0.2.3","note":"n"})");
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(parsed(added).at("key").as_string(), "192.0.2.3/32");
    EXPECT_EQ(ask("POST", "/v1/quarantines", R"({"address":"2001:db8::1"})").status, 409);
    EXPECT_EQ(ask("POST", "/v1/quarantines", R"({"prefix":"192.0.2.3"})").status, 400);
    EXPECT_EQ(ask("POST", "/v1/quarantines", R"({"address":"192.0.2.0/31"})").status, 400);
    EXPECT_EQ(ask("DELETE", "/v1/quarantines/192.0.2.3").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/quarantines/2001:db8::1").status, 404);
    EXPECT_EQ(ask("DELETE", "/v1/quarantines").status, 405);
    EXPECT_THAT(agent_.calls, ::testing::ElementsAre("quarantine 192.0.2.3 n", "quarantine 2001:db8::1 ",
                                                     "release 192.0.2.3", "release 2001:db8::1"));
}

TEST_F(Routes, Lockouts) {
    EXPECT_EQ(parsed(ask("GET", "/v1/lockouts")),
              json::parse(R"({"lockouts":[{"kind":"user","who":"a\"b\n","tries":50,"held":3,
        "since":"2026-01-31T12:00:00Z","until":"2026-01-31T12:10:00Z","seconds_left":599}]})"));
    EXPECT_EQ(ask("DELETE", "/v1/lockouts/203.0.113.0%2F24").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/lockouts/a%2Fb%20c").status, 204);
    EXPECT_EQ(ask("DELETE", "/v1/lockouts/nobody").status, 404);
    EXPECT_EQ(ask("DELETE", "/v1/lockouts/%zz").status, 400);
    EXPECT_EQ(ask("DELETE", "/v1/lockouts").status, 405);
    EXPECT_EQ(ask("DELETE", "/v1/lockouts/alice", "", Role::viewer).status, 403);
    EXPECT_THAT(agent_.calls,
                ::testing::ElementsAre("unlock 203.0.113.0/24", "unlock a/b c", "unlock nobody"));
}

TEST_F(Routes, WhoIsBeingBlocked) {
    const json::value all = parsed(ask("GET", "/v1/blocked?count=1"));
    EXPECT_EQ(all, json::parse(R"({"blocked":[{"key":"192.0.2.66/32","pool":"dsl","packets":1200,
        "per_second":2.5E0,"first":"2026-01-31T12:00:00Z","last":"2026-01-31T12:08:00Z","destinations":40,
        "quarantined":true}]})"));
    EXPECT_EQ(parsed(ask("GET", "/v1/blocked")).at("blocked").as_array().size(), 3U);
    for (const char* wrong : {"0", "-1", "x", "", "10001", "1x"}) {
        EXPECT_EQ(ask("GET", std::string("/v1/blocked?count=") + wrong).status, 400) << wrong;
    }
}

}  // namespace
}  // namespace sekisho::api
