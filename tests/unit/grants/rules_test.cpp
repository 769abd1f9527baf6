// SPDX-License-Identifier: Apache-2.0
// Which rule is a login's, and what it asks for then.
#include "agent/grants/rules.h"

#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::HasSubstr;

LoginEvent seen_login(const std::string& reporter, const std::string& protocol, bool tls = true) {
    return {.when = example_now().wall,
            .user = "alice",
            .address = address("192.0.2.7"),
            .protocol = protocol,
            .mechanism = "PLAIN",
            .tls = tls,
            .reporter = reporter,
            .lifetime = {}};
}

std::string refusal_of(const GrantConfig& config, const LoginEvent& login) {
    const auto asked = request_of(terms_of(config, login), login);
    if (!asked) {
        EXPECT_EQ(asked.error().kind, Failure::refused);
        EXPECT_NE(asked.error().remedy, "");
    }
    return asked ? "" : asked.error().what;
}

TEST(Rules, WithoutAnyTheReportersTimeCounts) {
    LoginEvent login = seen_login("mail1", "imap");
    login.lifetime = 30s;
    const auto wish = request_of(terms_of({}, login), login);
    ASSERT_TRUE(wish);
    EXPECT_EQ(wish->address, login.address);
    EXPECT_EQ(wish->lifetime, 30s);
    EXPECT_FALSE(wish->budget);
    EXPECT_EQ(wish->source, "mail1");
    EXPECT_EQ(wish->user, "alice");
    EXPECT_EQ(wish->reason, "imap login");
    EXPECT_EQ(wish->from, login.when);
    EXPECT_TRUE(wish->by_login);
    EXPECT_FALSE(wish->ends_cool_down);
    EXPECT_EQ(wish->addresses_per_user, 0U);
    EXPECT_EQ(request_of({}, seen_login("mail1", ""))->reason, "login");
}

TEST(Rules, TheFirstThatFitsCounts) {
    GrantConfig config;
    config.rules = {{.name = "one", .reporters = {"mail1", "mail2"}, .protocols = {"imap"}},
                    {.name = "two", .reporters = {}, .protocols = {"imap", "pop3"}},
                    {.name = "three", .reporters = {"mail3"}, .protocols = {}},
                    {.name = "four", .reporters = {}, .protocols = {"smtp"}}};
    for (const auto& [reporter, protocol, name] : {std::tuple{"mail1", "imap", "one"},
                                                   {"mail2", "imap", "one"},
                                                   {"mail2", "pop3", "two"},
                                                   {"mail3", "imap", "two"},
                                                   {"mail3", "smtp", "three"},
                                                   {"mail3", "", "three"},
                                                   {"mail1", "smtp", "four"},
                                                   {"mail1", "sieve", ""},
                                                   {"mail1", "", ""},
                                                   {"mail1", "IMAP", ""}}) {
        EXPECT_EQ(terms_of(config, seen_login(reporter, protocol)).rule, name) << reporter << ' ' << protocol;
    }
}

TEST(Rules, UsersAreNamedByPatterns) {
    GrantConfig config;
    config.rules = {{.name = "only send", .users = {"al*", "bob@example.net"}, .opens = false}};
    EXPECT_EQ(terms_of(config, seen_login("mail1", "imap")).rule, "only send");
    LoginEvent login = seen_login("mail1", "imap");
    login.user = "BOB@Example.net";
    EXPECT_NE(refusal_of(config, login), "");
    login.user = "bob";
    EXPECT_EQ(refusal_of(config, login), "");
    login.user = std::string("al\0x", 4);
    EXPECT_EQ(refusal_of(config, login), "") << "such a name is no pattern's";
}

TEST(Rules, WhatARuleDoesNotSayIsAsItIsWithoutIt) {
    GrantConfig config;
    config.tls_required = true;
    config.other_family = true;
    config.addresses_per_user = 7;
    config.scope = {.edge = true, .relay = true};
    config.rules = {{.name = "imap", .protocols = {"imap"}},
                    {.name = "pop3",
                     .protocols = {"pop3"},
                     .lifetime = 60s,
                     .budget = 5,
                     .tls_required = false,
                     .addresses_per_user = 0,
                     .other_family = false,
                     .scope = Scope{.edge = false, .relay = true}}};
    LoginEvent login = seen_login("mail1", "imap");
    login.lifetime = 30s;
    const Terms imap = terms_of(config, login);
    EXPECT_EQ(imap.rule, "imap");
    EXPECT_TRUE(imap.tls_required);
    EXPECT_TRUE(imap.other_family);
    EXPECT_EQ(imap.addresses_per_user, 7U);
    EXPECT_EQ(imap.lifetime, 30s);
    EXPECT_EQ(to_string(imap.scope), "edge,relay");
    EXPECT_FALSE(imap.budget);
    login.protocol = "pop3";
    login.tls = false;
    const Terms pop3 = terms_of(config, login);
    EXPECT_FALSE(pop3.tls_required);
    EXPECT_FALSE(pop3.other_family);
    const auto wish = request_of(pop3, login);
    ASSERT_TRUE(wish);
    EXPECT_EQ(wish->lifetime, 60s) << "before the reporter's";
    EXPECT_EQ(wish->budget, 5U);
    EXPECT_EQ(wish->addresses_per_user, 0U);
    EXPECT_EQ(to_string(wish->scope), "relay");
    EXPECT_EQ(opened_things(wish->scope), "the relay");
}

TEST(Rules, SomeLoginsOpenNothing) {
    GrantConfig config;
    config.rules = {{.name = "webmail", .reporters = {"web"}, .opens = false}};
    EXPECT_EQ(refusal_of(config, seen_login("web", "imap")),
              "a login by imap opens nothing (rule \"webmail\")");
    EXPECT_EQ(refusal_of(config, seen_login("mail1", "imap")), "");
}

TEST(Rules, WithoutTlsCanBeNotGoodEnough) {
    GrantConfig config;
    EXPECT_EQ(refusal_of(config, seen_login("mail1", "pop3", false)), "");
    config.tls_required = true;
    EXPECT_THAT(refusal_of(config, seen_login("mail1", "pop3", false)), HasSubstr("without TLS"));
    EXPECT_THAT(refusal_of(config, seen_login("mail1", "pop3", false)), HasSubstr("([grants])"));
    EXPECT_EQ(refusal_of(config, seen_login("mail1", "pop3")), "");
    config.rules = {{.name = "old", .reporters = {"mail1"}, .tls_required = false}};
    EXPECT_EQ(refusal_of(config, seen_login("mail1", "pop3", false)), "");
    EXPECT_THAT(refusal_of(config, seen_login("mail2", "pop3", false)), HasSubstr("without TLS"));
}

}  // namespace
}  // namespace sekisho::grants
