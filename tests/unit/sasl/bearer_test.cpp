// SPDX-License-Identifier: Apache-2.0
// Messages of OAUTHBEARER (RFC 7628, 4) and XOAUTH2, and what is no message of either.
#include "smtpd/sasl/bearer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sekisho::sasl {
namespace {

using namespace std::string_literals;

// "TOKEN of USER", "prompt TEXT", "refuted USER: WHY", "malformed".
std::string text(const MechanismStep& step) {
    if (const auto* const given = std::get_if<TokenGiven>(&step)) {
        return std::string(given->token.view()) + " of " + given->user;
    }
    if (const auto* const prompt = std::get_if<Prompt>(&step)) {
        return "prompt " + prompt->text;
    }
    if (const auto* const refuted = std::get_if<Refuted>(&step)) {
        return "refuted " + refuted->user + ": " + refuted->why;
    }
    return std::holds_alternative<Malformed>(step) ? "malformed" : "another";
}

std::string bearer(const std::string& message) {
    return text(BearerExchange::named("OAUTHBEARER", "")->step(SecretText(message)));
}

std::string xoauth2(const std::string& message) {
    return text(BearerExchange::named("XOAUTH2", "")->step(SecretText(message)));
}

TEST(BearerTest, TakesTheTokenAndWhoseItIsSaidToBe) {
    // RFC 7628, 4.1.
    EXPECT_EQ(bearer("n,a=user@example.com,\001host=server.example.com\001port=143\001"
                     "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"),
              "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg== of user@example.com");
    EXPECT_EQ(bearer("n,,\001auth=bearer a.b-c_d~e+f/g=\001\001"), "a.b-c_d~e+f/g= of ");
    EXPECT_EQ(bearer("y,a=An=2Cna=3D@Example.net,\001auth=BEARER x\001\001"), "x of an,na=@example.net");
    EXPECT_EQ(
        xoauth2(
            "user=Someuser@example.com\001auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\001\001"),
        "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg of someuser@example.com");
    EXPECT_EQ(bearer("n,,\001auth=Bearer " + std::string(8192, 't') + "\001\001").size(), 8192U + 4);
}

TEST(BearerTest, WhatIsNoMessage) {
    const std::string pairs = "\001auth=Bearer x\001\001";
    for (const std::string& message : {""s,
                                       "\001"s,
                                       "n,,"s,
                                       "n,,\001"s,
                                       "n,,\001\001"s,
                                       "n,\001auth=Bearer x\001\001"s,
                                       "p=tls-exporter,," + pairs,
                                       "x,," + pairs,
                                       "n,b=anna," + pairs,
                                       "n,anna," + pairs,
                                       "n,a=an=na," + pairs,
                                       "n,a=an na," + pairs,
                                       "n,a=anna=," + pairs,
                                       "n,a=" + std::string(256, 'n') + "," + pairs,
                                       "n,,\001auth=Bearer x\001"s,
                                       "n,,\001auth=Bearer x"s,
                                       "n,,\001auth=Bearer \001\001"s,
                                       "n,,\001auth=Bearer ===\001\001"s,
                                       "n,,\001auth=Basic x\001\001"s,
                                       "n,,\001auth=Bearerx\001\001"s,
                                       "n,,\001auth=Bearer x y\001\001"s,
                                       "n,,\001auth=Bearer x\001auth=Bearer y\001\001"s,
                                       "n,,\001=\001auth=Bearer x\001\001"s,
                                       "n,,\001host\001auth=Bearer x\001\001"s,
                                       "n,,\001auth=Bearer x\001\001more"s,
                                       "n,,\001auth=Bearer x\0y\001\001"s,
                                       "n,,\001auth=Bearer " + std::string(8193, 't') + "\001\001",
                                       "n,,\001host=" + std::string(10'000, 'h') + pairs}) {
        EXPECT_EQ(bearer(message), "malformed") << testing::PrintToString(message.substr(0, 60));
    }
    for (const std::string& message :
         {""s, "\001"s, "auth=Bearer x\001\001"s, "user=anna\001\001"s, "user=\001auth=Bearer x\001\001"s,
          "user=a\001user=b\001auth=Bearer x\001\001"s, "user=an na\001auth=Bearer x\001\001"s,
          "user=anna\001auth=Bearer x\001"s, "user=anna\001auth=x\001\001"s,
          "n,a=anna,\001auth=Bearer x\001\001"s}) {
        EXPECT_EQ(xoauth2(message), "malformed") << testing::PrintToString(message);
    }
}

TEST(BearerTest, AFailureIsToldByAChallengeAndEndsByWhatever) {
    auto exchange =
        *BearerExchange::named("OAUTHBEARER", "https://login.example.net/.well-known/openid-configuration");
    EXPECT_EQ(text(exchange.step(std::nullopt)), "prompt ");
    EXPECT_EQ(text(exchange.step(SecretText("n,,\001auth=Bearer x\001\001"))), "x of ");
    EXPECT_EQ(exchange.failed("anna", "a token of nobody").text,
              R"({"status":"invalid_token","openid-configuration":)"
              R"("https://login.example.net/.well-known/openid-configuration"})");
    EXPECT_EQ(text(exchange.step(SecretText("\001"))), "refuted anna: a token of nobody");
    EXPECT_EQ(text(exchange.step(SecretText("n,,\001auth=Bearer y\001\001"))),
              "refuted anna: a token of nobody")
        << "no second try in the same exchange";
    auto old = *BearerExchange::named("XOAUTH2", "https://x");
    EXPECT_EQ(old.failed("", "").text, R"({"status":"401","schemes":"bearer"})");
    EXPECT_EQ(text(old.step(std::nullopt)), "refuted : ");
    EXPECT_FALSE(BearerExchange::named("PLAIN", ""));
    EXPECT_EQ(BearerExchange::named("OAUTHBEARER", "")->failed("", "").text, R"({"status":"invalid_token"})");
}

}  // namespace
}  // namespace sekisho::sasl
