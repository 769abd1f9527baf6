// SPDX-License-Identifier: Apache-2.0
// What an authorization server says of a token (RFC 7662, 2.2), and one that doesn't answer. One that does
// stands in tests/system/test_tokens.py.
#include "smtpd/sasl/introspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sasl/harness.h"

namespace sekisho::sasl {
namespace {

using ::testing::HasSubstr;

std::string user(std::string_view body, const TokenRules& rules = {}) {
    const auto found = user_in_introspection(body, rules);
    return !found ? found.error().what : found->value_or("(nobody)");
}

TEST(IntrospectionTest, NamesTheUser) {
    EXPECT_EQ(user(R"({"active":true,"username":"Anna@Example.net","sub":"4711"})"), "anna@example.net");
    EXPECT_EQ(user(R"({"active":true,"username":"anna","sub":"4711"})", {.user = "sub"}), "4711");
    for (const char* body :
         {R"({"active":false})", R"({"active":false,"username":"anna"})", R"({"active":true})",
          R"({"active":true,"username":""})", R"({"active":true,"username":7})",
          R"({"active":true,"username":"an na"})", R"({"active":true,"username":"an\u0000na"})",
          R"({"active":true,"username":null})"}) {
        EXPECT_EQ(user(body), "(nobody)") << body;
    }
}

TEST(IntrospectionTest, TokensForOthers) {
    const auto with = [](const std::string& more, const TokenRules& rules) {
        return user(R"({"active":true,"username":"anna")" + more + "}", rules);
    };
    const TokenRules scope{.scope = "smtp"};
    EXPECT_EQ(with(R"(,"scope":"imap smtp")", scope), "anna");
    EXPECT_EQ(with(R"(,"scope":"smtp")", scope), "anna");
    for (const char* more :
         {"", R"(,"scope":"")", R"(,"scope":"smtps")", R"(,"scope":"imap")", R"(,"scope":["smtp"])"}) {
        EXPECT_EQ(with(more, scope), "(nobody)") << more;
    }
    const TokenRules audience{.audience = "mail"};
    EXPECT_EQ(with(R"(,"aud":"mail")", audience), "anna");
    EXPECT_EQ(with(R"(,"aud":["web","mail"])", audience), "anna");
    for (const char* more : {"", R"(,"aud":"web")", R"(,"aud":"mail web")", R"(,"aud":[])",
                             R"(,"aud":["web",7])", R"(,"aud":{"mail":true})"}) {
        EXPECT_EQ(with(more, audience), "(nobody)") << more;
    }
}

TEST(IntrospectionTest, TokensOfOtherKinds) {
    for (const char* kind : {"Bearer", "bearer", "access_token"}) {
        EXPECT_EQ(user(std::string(R"({"active":true,"username":"anna","token_type":")") + kind + R"("})"),
                  "anna");
    }
    for (const char* kind : {"refresh_token", "mac", "N_A", ""}) {
        EXPECT_EQ(user(std::string(R"({"active":true,"username":"anna","token_type":")") + kind + R"("})"),
                  "(nobody)");
    }
}

TEST(IntrospectionTest, WhatIsNoAnswer) {
    for (const std::string& body :
         {std::string(), std::string("[]"), std::string("true"), std::string("<html>"), std::string("{"),
          std::string(R"({"username":"anna"})"), std::string(R"({"active":"true","username":"anna"})"),
          std::string(R"({"active":1})"), R"({"active":true,"x":")" + std::string(70'000, 'x') + R"("})",
          std::string(100, '[')}) {
        EXPECT_THAT(user(body), HasSubstr("the authorization server's answer")) << body.substr(0, 60);
    }
}

TEST(IntrospectionTest, NobodyThere) {
    tests::Runner runner;
    auto tokens = runner.on_thread([] {
        return std::make_unique<Introspection>(
            Introspection::Settings{.url = "http://127.0.0.1:1/introspect", .most_waiting = 1});
    });
    const auto ask = [&] { return runner.begin(tokens->user_of(SecretText("s3cr3t-token"))).get(); };
    const auto found = ask();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, Failure::unavailable);
    EXPECT_THAT(found.error().what, HasSubstr("can't be asked"));
    EXPECT_THAT(found.error().what, testing::Not(HasSubstr("s3cr3t")));
    EXPECT_FALSE(ask()) << "the place is free again";
    EXPECT_EQ(runner.on_thread([&] { return tokens->counts().unanswered; }), 2U);
    EXPECT_EQ(runner.on_thread([&] { return tokens->waiting(); }), 0U);
}

}  // namespace
}  // namespace sekisho::sasl
