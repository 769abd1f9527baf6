// SPDX-License-Identifier: Apache-2.0
// Mail for local domains (RFC 2033): who it goes to, an answer for each recipient, and questions about
// mailboxes.
#include <boost/asio/co_spawn.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/delivery/harness.h"
#include "tests/unit/directory.h"

namespace sekisho::delivery::tests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<message::Recipient> three_mailboxes = {"one@example.com", "two@example.com",
                                                         "three@example.com"};

class LmtpTest : public DeliveryTest {
protected:
    // Mail for example.com goes to this one.
    ScriptedServer& start(std::map<std::string, std::string> answers = {}) {
        server_.emplace(std::vector{Script{.answers = std::move(answers)}});
        config_.local = {{.domains = {"example.com"}, .path = {}, .host = {"127.0.0.1", server_->port()}}};
        return *server_;
    }
    std::vector<std::string> said(std::map<std::string, std::string> answers) {
        start(std::move(answers));
        std::vector<std::string> all;
        for (const Outcome& each : deliver(three_mailboxes)) {
            all.push_back(summary(each));
        }
        return all;
    }
    // What is known of a mailbox; what the server was told.
    std::pair<std::string, std::vector<std::string>> asked(std::map<std::string, std::string> answers) {
        ScriptedServer& server = start(std::move(answers));
        question_ = true;
        const std::string outcome = result();
        return {outcome, server.visits().at(0).commands};
    }

    std::optional<ScriptedServer> server_;
};

TEST_F(LmtpTest, AMessageArrives) {
    ScriptedServer& server = start();
    const Outcomes all = deliver();
    EXPECT_EQ(summary(all.at(0)), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_TRUE(all[0].mailbox);
    EXPECT_EQ(all[0].host, "127.0.0.1[127.0.0.1]:" + std::to_string(server.port()));
    EXPECT_THAT(server.visits().at(0).commands,
                ElementsAre("LHLO mail.example.net", "MAIL FROM:<alice@example.net>",
                            "RCPT TO:<bob@example.com>", "DATA", "QUIT"));
    EXPECT_EQ(server.visits()[0].message, "Subject: x\r\n\r\nHello\r\n..\r\n..dots\r\n");
}

TEST_F(LmtpTest, EachRecipientHasAnAnswer) {
    EXPECT_THAT(said({{".", "250 2.0.0 kept\r\n452 4.2.2 full\r\n550-5.7.1 not\r\n550 5.7.1 here"}}),
                ElementsAre("delivered 2.0.0 250 2.0.0 kept", "deferred 4.2.2 452 4.2.2 full",
                            "failed 5.7.1 550 5.7.1 not 5.7.1 here"));
}

TEST_F(LmtpTest, WhoWasRefusedHasNoAnswerAtTheEnd) {
    EXPECT_THAT(said({{"RCPT TO:<two@", "550 5.1.1 nobody"}, {".", "250 2.0.0 one\r\n451 4.3.0 three"}}),
                ElementsAre("delivered 2.0.0 250 2.0.0 one", "failed 5.1.1 550 5.1.1 nobody",
                            "deferred 4.3.0 451 4.3.0 three"));
}

TEST_F(LmtpTest, WhoHasItKeepsItWhateverBecomesOfTheConnection) {
    const auto all = said({{".", "250 2.0.0 one\r\nwhat?"}});
    EXPECT_EQ(all.at(0), "delivered 2.0.0 250 2.0.0 one");
    EXPECT_THAT(all.at(1), StartsWith("deferred 4.4.2"));
    EXPECT_THAT(all.at(2), StartsWith("deferred 4.4.2"));
    EXPECT_EQ(said({{".", "354 go on\r\n250 ok\r\n250 ok"}}).at(0).substr(0, 8), "deferred");
}

TEST_F(LmtpTest, IsNotSpokenToOthersNorSmtpToThese) {
    EXPECT_EQ(said({{"LHLO", "500 5.5.1 what"}, {"EHLO", "250 fine"}}).at(0),
              "deferred 5.5.1 500 5.5.1 what");
    EXPECT_THAT(server_->visits().at(0).commands, ElementsAre("LHLO mail.example.net", "QUIT"));
}

TEST_F(LmtpTest, GoesBeforeTheSmarthost) {
    start();
    ScriptedServer other;
    by_way_of(other);
    EXPECT_THAT(result("EXAMPLE.com"), StartsWith("delivered"));
    EXPECT_THAT(other.visits(), IsEmpty());
}

TEST_F(LmtpTest, OverAUnixSocket) {
    const sekisho::tests::Directory directory;
    const std::filesystem::path path = directory / "lmtp";
    const ScriptedServer server(listen_unix({.path = path, .mode = 0600, .type = SOCK_STREAM, .group = {}}),
                                {Script()});
    config_.local = {{.domains = {"example.com"}, .path = path, .host = {}}};
    const Outcomes all = deliver();
    EXPECT_EQ(summary(all.at(0)), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_EQ(all[0].host, path.string());
    config_.local[0].path = directory / "nobody";
    EXPECT_THAT(result(), StartsWith("deferred 4.4.1 connect: "));
}

TEST_F(LmtpTest, AServerWithoutAddressIsAMistakeOfOurs) {
    config_.local = {{.domains = {"example.com"}, .path = {}, .host = {"lmtp.example.com", 24}}};
    EXPECT_EQ(result(), "deferred 4.3.5 the LMTP server lmtp.example.com has no addresses");
}

TEST_F(LmtpTest, AMailboxIsAskedForWithoutAMessage) {
    const auto [outcome, commands] = asked({});
    EXPECT_EQ(outcome, "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_THAT(commands,
                ElementsAre("LHLO mail.example.net", "MAIL FROM:<>", "RCPT TO:<bob@example.com>", "QUIT"));
    EXPECT_EQ(asked({{"RCPT", "550 5.1.1 no"}}).first, "failed 5.1.1 550 5.1.1 no");
    EXPECT_EQ(asked({{"RCPT", "452 4.2.2 full"}}).first, "deferred 4.2.2 452 4.2.2 full");
    EXPECT_EQ(asked({{"MAIL", "451 4.3.0 no"}}).first, "deferred 4.3.0 451 4.3.0 no");
    EXPECT_EQ(asked({{"MAIL", "550 5.7.1 not you"}}).first, "deferred 5.7.1 550 5.7.1 not you");
    envelope_.utf8 = true;
    EXPECT_THAT(asked({}).first, StartsWith("failed 5.6.7 "));
    EXPECT_THAT(asked({{"LHLO", "250-hello\r\n250 SMTPUTF8"}}).second,
                testing::Contains("MAIL FROM:<> SMTPUTF8"));
    envelope_.utf8 = false;
    envelope_.eight_bit = true;
    EXPECT_THAT(asked({}).first, StartsWith("failed 5.6.3 "));
    EXPECT_THAT(asked({{"LHLO", "250-hello\r\n250 8BITMIME"}}).second,
                testing::Contains("MAIL FROM:<> BODY=8BITMIME"));
}

}  // namespace
}  // namespace sekisho::delivery::tests
