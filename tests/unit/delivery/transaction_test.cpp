// SPDX-License-Identifier: Apache-2.0
// One message over one connection, with a server that says what it shouldn't, and one that goes away.
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/delivery/harness.h"

namespace sekisho::delivery::tests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<message::Recipient> three_users = {"one@example.com", "two@example.com",
                                                     "three@example.com"};

class TransactionTest : public DeliveryTest {
protected:
    // What becomes of mail for one, where the server answers so.
    std::string with(std::map<std::string, std::string> answers) {
        ScriptedServer server({Script{.answers = std::move(answers)}});
        by_way_of(server);
        std::string said = result();
        visits_ = server.visits();
        return said;
    }
    [[nodiscard]] std::vector<std::string> commands() const {
        return visits_.empty() ? std::vector<std::string>() : visits_.back().commands;
    }

    std::vector<Visit> visits_;
};

TEST_F(TransactionTest, AMessageArrives) {
    ScriptedServer server;
    by_way_of(server);
    const Outcomes all = deliver();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(summary(all[0]), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_EQ(all[0].host, "127.0.0.1[127.0.0.1]:" + std::to_string(config_.smarthost->port));
    EXPECT_EQ(all[0].tls, "");
    ASSERT_EQ(server.visits().size(), 1U);
    EXPECT_THAT(server.visits()[0].commands,
                ElementsAre("EHLO mail.example.net", "MAIL FROM:<alice@example.net>",
                            "RCPT TO:<bob@example.com>", "DATA", "QUIT"));
    EXPECT_EQ(server.visits()[0].message, "Subject: x\r\n\r\nHello\r\n..\r\n..dots\r\n");
}

TEST_F(TransactionTest, TheNullSenderIsWrittenAsSuch) {
    envelope_.sender.clear();
    EXPECT_THAT(with({}), StartsWith("delivered"));
    EXPECT_THAT(commands().at(1), "MAIL FROM:<>");
}

TEST_F(TransactionTest, ALargeBodyArrivesWhole) {
    body_ = "Subject: x\r\n\r\n";
    for (int i = 0; i < 100'000; i++) {
        body_ += "line " + std::to_string(i) + "\r\n";
    }
    ScriptedServer server;
    by_way_of(server);
    EXPECT_THAT(result(), StartsWith("delivered"));
    EXPECT_TRUE(server.visits().at(0).message == body_);
}

TEST_F(TransactionTest, EachStepRefusedForNowOrForGood) {
    for (const char* step : {"EHLO", "MAIL", "RCPT", "DATA", "."}) {
        std::map<std::string, std::string> answers = {{step, "451 4.7.1 come later"}};
        EXPECT_EQ(with(answers), "deferred 4.7.1 451 4.7.1 come later") << step;
        EXPECT_EQ(commands().back(), "QUIT") << step;
        answers = {{step, "554-5.7.1 not\r\n554 5.7.1 here"}};
        std::string fate = "failed";
        if (std::string_view(step) == "EHLO") {  // the host's word, and not the mailbox's
            answers["HELO"] = answers["EHLO"];
            fate = "deferred";
        }
        EXPECT_EQ(with(answers), fate + " 5.7.1 554 5.7.1 not 5.7.1 here") << step;
        EXPECT_EQ(commands().back(), "QUIT") << step;
    }
}

// Success where something else was to come must not lose the message.
TEST_F(TransactionTest, SuccessWithoutReasonIsNone) {
    EXPECT_EQ(with({{"DATA", "250 fine"}}), "deferred 4.5.0 no answer to DATA: \"250 fine\"");
    EXPECT_EQ(commands().back(), "QUIT");
    EXPECT_EQ(with({{".", "354 more"}}), "deferred 4.5.0 no answer to the message: \"354 more\"");
    EXPECT_EQ(with({{"RCPT", "354 more"}}), "deferred 4.5.0 no answer to RCPT: \"354 more\"");
    EXPECT_EQ(with({{"MAIL", "354 more"}}), "deferred 4.5.0 no answer to MAIL: \"354 more\"");
    EXPECT_EQ(with({{"EHLO", "354 more"}}), "deferred 4.5.0 no answer to EHLO: \"354 more\"");
}

TEST_F(TransactionTest, AServerThatVanishesAtAnyStep) {
    for (const char* step : {"EHLO", "MAIL", "RCPT", "DATA", "."}) {
        EXPECT_EQ(with({{step, std::string(vanishes)}}), "deferred 4.4.2 waiting for a reply: End of file")
            << step;
        EXPECT_EQ(visits_.size(), 1U) << step;
    }
    EXPECT_THAT(with({{"QUIT", std::string(vanishes)}}), StartsWith("delivered"));
    const ScriptedServer server({Script{.greeting = std::string(vanishes)}});
    by_way_of(server);
    EXPECT_EQ(result(), "deferred 4.4.2 waiting for a reply: End of file");
}

TEST_F(TransactionTest, AServerThatSpeaksAnotherLanguage) {
    ScriptedServer server({Script{.greeting = "SSH-2.0-x"}});
    by_way_of(server);
    EXPECT_EQ(result(), "deferred 4.4.2 this is no SMTP server: \"SSH-2.0-x\"");
    EXPECT_THAT(server.visits().at(0).commands, IsEmpty());
}

TEST_F(TransactionTest, AServerThatNeverStopsTalking) {
    const ScriptedServer server({Script{.greeting = "220-" + std::string(1'000'000, 'x')}});
    by_way_of(server);
    EXPECT_EQ(result(), "deferred 4.4.2 the server's reply is too long");
}

TEST_F(TransactionTest, GreetingsThatAreRefusals) {
    for (const auto& [greeting, expected] :
         {std::pair{"421 4.3.2 closing", "deferred 4.3.2 421 4.3.2 closing"},
          std::pair{"554 no mail here", "deferred 5.0.0 554 no mail here"}}) {
        ScriptedServer server({Script{.greeting = greeting}});
        by_way_of(server);
        EXPECT_EQ(result(), expected);
        EXPECT_THAT(server.visits().at(0).commands, ElementsAre("QUIT"));
    }
}

TEST_F(TransactionTest, EhloRefusedIsHeloWithoutExtensions) {
    EXPECT_THAT(with({{"EHLO", "502 what?"}, {"HELO", "250-hello\r\n250-SIZE\r\n250 8BITMIME"}}),
                StartsWith("delivered"));
    EXPECT_THAT(commands(),
                ElementsAre("EHLO mail.example.net", "HELO mail.example.net", "MAIL FROM:<alice@example.net>",
                            "RCPT TO:<bob@example.com>", "DATA", "QUIT"));
}

// RFC 6531, 3.5.
TEST_F(TransactionTest, WhatNeedsUtf8GoesOnlyToThoseWhoTakeIt) {
    envelope_.utf8 = true;
    envelope_.sender = "j\u00f6rg@example.net";
    EXPECT_THAT(with({{"EHLO", "250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8"}}), StartsWith("delivered"));
    EXPECT_EQ(commands().at(1), "MAIL FROM:<j\u00f6rg@example.net> SMTPUTF8");
    EXPECT_THAT(with({{"EHLO", "250-mx\r\n250 8BITMIME"}}),
                StartsWith("failed 5.6.7 the mail host takes no "));
    EXPECT_EQ(commands().back(), "QUIT");
}

TEST_F(TransactionTest, ExtensionsAreUsedOnlyWhereTheyAreOffered) {
    EXPECT_THAT(with({}), StartsWith("delivered"));
    EXPECT_EQ(commands().at(1), "MAIL FROM:<alice@example.net>");
    envelope_.eight_bit = true;
    EXPECT_THAT(with({{"EHLO", "250-hello\r\n250-SIZE\r\n250 8BITMIME"}}), StartsWith("delivered"));
    EXPECT_EQ(commands().at(1),
              "MAIL FROM:<alice@example.net> SIZE=" + std::to_string(body_.size()) + " BODY=8BITMIME");
    envelope_.eight_bit = false;
    EXPECT_THAT(with({{"EHLO", "250-hello\r\n250 8bitmime"}}), StartsWith("delivered"));
    EXPECT_EQ(commands().at(1), "MAIL FROM:<alice@example.net>");
}

// RFC 6152, 3.
TEST_F(TransactionTest, WhatIsEightBitsWideGoesOnlyToThoseWhoTakeIt) {
    envelope_.eight_bit = true;
    for (const auto& answers : {std::map<std::string, std::string>{},
                                {{"EHLO", "502 what?"}, {"HELO", "250-hello\r\n250 8BITMIME"}}}) {
        EXPECT_EQ(with(answers), "failed 5.6.3 the mail host takes no text outside of ASCII (8BITMIME)");
        EXPECT_EQ(commands().back(), "QUIT");
    }
}

TEST_F(TransactionTest, ANoticeIsSentAllTheSame) {
    envelope_.eight_bit = true;
    envelope_.sender.clear();
    EXPECT_THAT(with({}), StartsWith("delivered"));
    EXPECT_EQ(commands().at(1), "MAIL FROM:<>");
}

// RFC 3461, 5.2.1 and 5.2.2.
TEST_F(TransactionTest, WhatTheSenderWantsToHearIsPassedOnWhereItIsUnderstood) {
    envelope_.returned = message::Return::headers;
    envelope_.envelope_id = "QQ+2B314";
    std::vector<message::Recipient> recipients = {"one@example.com", "two@example.com", "three@example.com"};
    recipients[0].notify = {.success = true, .failure = true};
    recipients[0].original = "rfc822;x+40example.org";
    recipients[1].notify = {.never = true};
    for (const bool offered : {true, false}) {
        ScriptedServer server(
            {Script{.answers = {{"EHLO", offered ? "250-hello\r\n250 DSN" : "250 hello"}}}});
        by_way_of(server);
        const Outcomes all = deliver(recipients);
        const auto& said = server.visits().at(0).commands;
        EXPECT_EQ(said.at(1),
                  std::string("MAIL FROM:<alice@example.net>") + (offered ? " RET=HDRS ENVID=QQ+2B314" : ""));
        EXPECT_EQ(said.at(2), std::string("RCPT TO:<one@example.com>") +
                                  (offered ? " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+40example.org" : ""));
        EXPECT_EQ(said.at(3), std::string("RCPT TO:<two@example.com>") + (offered ? " NOTIFY=NEVER" : ""));
        EXPECT_EQ(said.at(4), "RCPT TO:<three@example.com>");
        EXPECT_EQ(all.at(0).dsn, offered);
    }
}

TEST_F(TransactionTest, EachRecipientHasAnOutcomeOfItsOwn) {
    ScriptedServer server({Script{.answers = {{"RCPT TO:<one", "550 5.1.1 unknown"},
                                              {"RCPT TO:<two", "451 4.7.1 grey"},
                                              {"RCPT TO:<three", "250 2.1.5 known"},
                                              {".", "250 2.0.0 kept as 4711"}}}});
    by_way_of(server);
    const Outcomes all = deliver(three_users);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(summary(all[0]), "failed 5.1.1 550 5.1.1 unknown");
    EXPECT_EQ(summary(all[1]), "deferred 4.7.1 451 4.7.1 grey");
    EXPECT_EQ(summary(all[2]), "delivered 2.0.0 250 2.0.0 kept as 4711");
    EXPECT_EQ(server.visits().size(), 1U);
}

TEST_F(TransactionTest, WithoutRecipientsThereIsNoData) {
    ScriptedServer server(
        {Script{.answers = {{"RCPT TO:<one", "550 5.1.1 unknown"}, {"RCPT", "451 4.7.1 grey"}}}});
    by_way_of(server);
    const Outcomes all = deliver(three_users);
    EXPECT_EQ(summary(all.at(0)), "failed 5.1.1 550 5.1.1 unknown");
    EXPECT_EQ(summary(all.at(2)), "deferred 4.7.1 451 4.7.1 grey");
    EXPECT_THAT(server.visits().at(0).commands, testing::Not(testing::Contains("DATA")));
}

TEST_F(TransactionTest, ARefusalStaysWhenTheServerVanishesAfterIt) {
    const ScriptedServer server({Script{
        .answers = {{"RCPT TO:<one", "550 5.1.1 unknown"}, {"RCPT TO:<three", std::string(vanishes)}}}});
    by_way_of(server);
    const Outcomes all = deliver(three_users);
    EXPECT_EQ(summary(all.at(0)), "failed 5.1.1 550 5.1.1 unknown");
    EXPECT_EQ(all.at(1).fate, Fate::deferred);
    EXPECT_EQ(all.at(2).fate, Fate::deferred);
}

TEST_F(TransactionTest, ARefusalOfTheMessageIsForThoseWhoWereAccepted) {
    const ScriptedServer server(
        {Script{.answers = {{"RCPT TO:<one", "450 4.2.1 busy"}, {".", "554 5.6.0 spam"}}}});
    by_way_of(server);
    const Outcomes all = deliver(three_users);
    EXPECT_EQ(summary(all.at(0)), "deferred 4.2.1 450 4.2.1 busy");
    EXPECT_EQ(summary(all.at(1)), "failed 5.6.0 554 5.6.0 spam");
    EXPECT_EQ(summary(all.at(2)), "failed 5.6.0 554 5.6.0 spam");
}

// Without the last dot nothing of it counts, and "QUIT" would be a line of the message.
TEST_F(TransactionTest, ABodyThatEndsTooSoonIsNotEnded) {
    size_ = body_.size() + 1;
    ScriptedServer server;
    by_way_of(server);
    EXPECT_EQ(result(), "deferred 4.4.2 the body ends too soon");
    EXPECT_EQ(server.visits().at(0).message, "Subject: x\r\n\r\nHello\r\n..\r\n..dots\r\n");
}

TEST_F(TransactionTest, ABodyThatCantBeReadIsNotSent) {
    part_ = [](std::uint64_t, std::size_t) -> Result<std::string> {
        return fail(Failure::not_found, "message 0123456789abcdef is gone");
    };
    ScriptedServer server;
    by_way_of(server);
    EXPECT_EQ(result(), "deferred 4.4.2 message 0123456789abcdef is gone");
    EXPECT_EQ(server.visits().at(0).message, "");
}

// RFC 2920.
class PipelineTest : public TransactionTest {
protected:
    std::string with(std::map<std::string, std::string> answers) {
        answers["EHLO"] = "250-mx.example.com\r\n250 PIPELINING";
        return TransactionTest::with(std::move(answers));
    }
};

TEST_F(PipelineTest, CommandsComeAtOnce) {
    EXPECT_EQ(with({}), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_THAT(commands(), ElementsAre("EHLO mail.example.net", "MAIL FROM:<alice@example.net>",
                                        "RCPT TO:<bob@example.com>", "DATA", "QUIT"));
    EXPECT_EQ(visits_.back().at_once, 2U);
    EXPECT_EQ(visits_.back().message, "Subject: x\r\n\r\nHello\r\n..\r\n..dots\r\n");
}

TEST_F(PipelineTest, EachStepRefused) {
    for (const char* step : {"MAIL", "RCPT", "DATA", "."}) {
        // Whoever takes RCPT and DATA after all is left without another word.
        const std::string last = step == std::string_view("MAIL") ? "DATA" : "QUIT";
        EXPECT_EQ(with({{step, "451 4.7.1 come later"}}), "deferred 4.7.1 451 4.7.1 come later") << step;
        EXPECT_EQ(commands().back(), last) << step;
        EXPECT_EQ(with({{step, "554 5.7.1 no"}}), "failed 5.7.1 554 5.7.1 no") << step;
        EXPECT_EQ(commands().back(), last) << step;
    }
    EXPECT_EQ(with({{"RCPT", "354 more"}}), "deferred 4.5.0 no answer to RCPT: \"354 more\"");
    EXPECT_EQ(with({{"DATA", "250 fine"}}), "deferred 4.5.0 no answer to DATA: \"250 fine\"");
}

// RFC 2920, 3.1: what has been let in is empty.
TEST_F(PipelineTest, WithoutRecipientsNoMessageIsSent) {
    for (const char* step : {"MAIL", "RCPT"}) {
        EXPECT_EQ(with({{"RCPT", "503 5.5.1 first MAIL"},
                        {step, "550 5.1.1 no"},
                        {"DATA", "354 go on"},
                        {".", "554 5.5.1 nobody"}}),
                  step == std::string_view("MAIL") ? "failed 5.1.1 550 5.1.1 no"
                                                   : "failed 5.5.1 503 5.5.1 first MAIL");
        EXPECT_EQ(visits_.back().message, "");
        EXPECT_EQ(commands().back(), "QUIT");
        EXPECT_EQ(with({{step, "550 5.1.1 no"}, {"DATA", "503 5.5.1 first RCPT"}}),
                  "failed 5.1.1 550 5.1.1 no");
    }
}

TEST_F(PipelineTest, AServerThatVanishesAtAnyStep) {
    for (const char* step : {"MAIL", "RCPT", "DATA", "."}) {
        EXPECT_EQ(with({{step, std::string(vanishes)}}), "deferred 4.4.2 waiting for a reply: End of file")
            << step;
    }
}

TEST_F(PipelineTest, ARefusalStaysWhenTheServerVanishesBehindIt) {
    EXPECT_EQ(with({{"MAIL", "550 5.7.1 blocked"}, {"RCPT", std::string(vanishes)}}),
              "failed 5.7.1 550 5.7.1 blocked");
}

// An empty message would be one to those whom the server has accepted.
TEST_F(PipelineTest, WhatIsNotSentIsNotSentEmpty) {
    ScriptedServer server({Script{
        .answers = {{"EHLO", "250-mx\r\n250 PIPELINING"}, {"RCPT TO:<two", "354 more"}, {".", "250 kept"}}}});
    by_way_of(server);
    const Outcomes all = deliver(three_users);
    EXPECT_EQ(summary(all.at(0)), "deferred 4.5.0 no answer to RCPT: \"354 more\"");
    EXPECT_EQ(server.visits().at(0).message, "");
    EXPECT_EQ(server.visits().at(0).commands.back(), "DATA");
    EXPECT_EQ(with({{"MAIL", "550 5.7.1 not you"}, {".", "250 kept"}}), "failed 5.7.1 550 5.7.1 not you");
    EXPECT_EQ(commands().back(), "DATA");
}

TEST_F(PipelineTest, ManyRecipientsComeInCrowds) {
    ScriptedServer server(
        {Script{.answers = {{"EHLO", "250-mx\r\n250 PIPELINING"}, {"RCPT TO:<77@", "550 5.1.1 no"}}}});
    by_way_of(server);
    std::vector<message::Recipient> crowd;
    for (int i = 0; i < 120; i++) {
        crowd.emplace_back(std::to_string(i) + "@example.com");
    }
    const Outcomes all = deliver(crowd);
    ASSERT_EQ(all.size(), 120U);
    for (std::size_t i = 0; i < all.size(); i++) {
        EXPECT_EQ(summary(all[i]), i == 77 ? "failed 5.1.1 550 5.1.1 no" : "delivered 2.0.0 250 2.0.0 fine");
    }
    EXPECT_EQ(server.visits().at(0).commands.size(), 124U);
    EXPECT_EQ(server.visits().at(0).at_once, 49U + 49U + 21U);
}

TEST_F(TransactionTest, NobodyListens) {
    {
        const ScriptedServer server;
        by_way_of(server);
    }
    EXPECT_EQ(result(), "deferred 4.4.1 connect: Connection refused");
}

}  // namespace
}  // namespace sekisho::delivery::tests
