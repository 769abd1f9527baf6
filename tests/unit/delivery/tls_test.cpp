// SPDX-License-Identifier: Apache-2.0
// STARTTLS (RFC 3207) as far as it is offered (RFC 7435), and never at the price of the message.
#include <string>
#include <vector>

#include "tests/unit/delivery/harness.h"

namespace sekisho::delivery::tests {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::StartsWith;

constexpr const char* offer = "250-mx.example.com\r\n250 STARTTLS";

class TlsTest : public DeliveryTest {
protected:
    // What becomes of mail for one recipient.
    Outcome with(std::vector<Script> scripts) {
        ScriptedServer server(std::move(scripts));
        by_way_of(server);
        const Outcomes all = deliver();
        visits_ = server.visits();
        return all.empty() ? Outcome() : all.front();
    }

    std::vector<Visit> visits_;
};

TEST_F(TlsTest, IsUsedWhereItIsOffered) {
    envelope_.returned = message::Return::full;
    const Outcome outcome = with({Script{.answers = {{"(clear)EHLO", "250-x\r\n250-DSN\r\n250 STARTTLS"},
                                                     {"(TLS)EHLO", "250-x\r\n250 SIZE"}}}});
    EXPECT_EQ(summary(outcome), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_THAT(outcome.tls, StartsWith("TLSv1.3 with cipher TLS_"));
    ASSERT_EQ(visits_.size(), 1U);
    EXPECT_THAT(visits_[0].commands,
                ElementsAre("EHLO mail.example.net", "STARTTLS", "EHLO mail.example.net",
                            "MAIL FROM:<alice@example.net> SIZE=" + std::to_string(body_.size()),
                            "RCPT TO:<bob@example.com>", "DATA", "QUIT"))
        << "only what is offered inside counts";
    EXPECT_EQ(visits_[0].message, "Subject: x\r\n\r\nHello\r\n..\r\n..dots\r\n");
    EXPECT_EQ(visits_[0].server_name, "") << "an address is no server name (RFC 6066)";
}

TEST_F(TlsTest, RefusedOfferIsInTheClear) {
    for (const char* answer : {"454 4.7.0 not now", "501 what?", "250 fine"}) {
        const Outcome outcome = with({Script{.answers = {{"EHLO", offer}, {"STARTTLS", answer}}}});
        EXPECT_EQ(summary(outcome), "delivered 2.0.0 250 2.0.0 fine") << answer;
        EXPECT_EQ(outcome.tls, "");
        EXPECT_EQ(visits_.size(), 1U);
    }
}

TEST_F(TlsTest, WhatEndsOnTheWayIsTriedAgainInTheClear) {
    const std::vector<Script> ways = {
        {.answers = {{"EHLO", offer}}, .instead_of_tls = "this is no TLS"},
        {.answers = {{"EHLO", offer}}, .instead_of_tls = std::string(vanishes)},
        {.answers = {{"EHLO", offer}}, .vanishes_inside_tls = true},
        {.answers = {{"EHLO", offer}, {"STARTTLS", std::string(vanishes)}}},
        {.answers = {{"EHLO", offer}, {"STARTTLS", "421 4.7.0 no"}}},
        {.answers = {{"EHLO", offer}, {"(TLS)EHLO", std::string(vanishes)}}},
    };
    for (std::size_t i = 0; i < ways.size(); i++) {
        const Outcome outcome = with({ways[i]});
        EXPECT_EQ(summary(outcome), "delivered 2.0.0 250 2.0.0 fine") << i;
        EXPECT_EQ(outcome.tls, "") << i;
        ASSERT_EQ(visits_.size(), 2U) << i;
        EXPECT_THAT(visits_[1].commands, Not(Contains("STARTTLS"))) << i;
    }
}

TEST_F(TlsTest, ARefusalInsideIsOne) {
    const Outcome outcome =
        with({Script{.answers = {{"(clear)EHLO", offer}, {"(TLS)MAIL", "550 5.7.1 no"}}}});
    EXPECT_EQ(summary(outcome), "failed 5.7.1 550 5.7.1 no");
    EXPECT_EQ(visits_.size(), 1U);
}

TEST_F(TlsTest, AServerThatVanishesInsideLaterIsNotTriedInTheClear) {
    const Outcome outcome =
        with({Script{.answers = {{"(clear)EHLO", offer}, {"(TLS)MAIL", std::string(vanishes)}}}});
    EXPECT_EQ(outcome.fate, Fate::deferred);
    EXPECT_EQ(outcome.status, "4.4.2");
    EXPECT_EQ(visits_.size(), 1U);
}

// Whoever stands between could answer, before the handshake, what is asked inside.
TEST_F(TlsTest, WhatWasSaidBeforeTheHandshakeDoesntCount) {
    const Outcome outcome =
        with({Script{.answers = {{"(clear)EHLO", offer}, {"(TLS)MAIL", "550 5.7.1 real"}},
                     .injected = "250-x\r\n250 SIZE\r\n250 forged\r\n250 forged\r\n354 forged\r\n"
                                 "250 2.0.0 forged\r\n"}});
    EXPECT_NE(outcome.fate, Fate::delivered);
    EXPECT_THAT(outcome.text, Not(testing::HasSubstr("forged")));
}

TEST_F(TlsTest, HalfAReplyBeforeTheHandshakeDoesntCountEither) {
    const Outcome outcome =
        with({Script{.answers = {{"(clear)EHLO", offer}}, .injected = "550-forged\r\n55"}});
    EXPECT_EQ(outcome.fate, Fate::delivered);
}

}  // namespace
}  // namespace sekisho::delivery::tests
