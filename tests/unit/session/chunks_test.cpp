// SPDX-License-Identifier: Apache-2.0
// A message in chunks (RFC 3030).
#include <gmock/gmock.h>

#include "tests/unit/session/bad_octets.h"
#include "tests/unit/session/client.h"

namespace sekisho::session {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ChunksTest : public testing::Test {
protected:
    explicit ChunksTest(const Example& settings = trusted()) : client_(settings) { begin("EHLO"); }

    // Up to where the first chunk may come.
    void begin(const std::string& greeting) {
        static_cast<void>(client_.say(greeting + " client.example.com"));
        static_cast<void>(client_.say("MAIL FROM:<alice@example.com>"));
        static_cast<void>(client_.say("RCPT TO:<bob@example.org>"));
    }
    std::string send(std::string_view octets) { return client_.send(octets); }
    // A chunk with this behind its size.
    std::string chunk(std::string_view octets, std::string_view behind = {}) {
        return send("BDAT " + std::to_string(octets.size()) + std::string(behind) + "\r\n" +
                    std::string(octets));
    }
    std::string last(std::string_view octets) { return chunk(octets, " LAST"); }
    Session& session() { return client_.session; }

    Client client_;
};

constexpr std::string_view begun = "[MessageBegun <alice@example.com> <bob@example.org>]";

TEST_F(ChunksTest, Whole) {
    EXPECT_EQ(chunk("Subject: x\r\n\r\n.\r\n"),
              std::string(begun) + "[Body Subject: x\r\n\r\n.\r\n]250 2.0.0 17 octets received\r\n");
    EXPECT_EQ(send("BDAT 7 LAST\r\n..a\r\n"), "[Body ..a\r\n]") << "dots mean nothing";
    EXPECT_EQ(send("\r"), "[Body \r]");
    EXPECT_EQ(send("\nNOOP\r\n"), "[Body \n][MessageEnded]");
    EXPECT_TRUE(session().waiting());
    EXPECT_EQ(text_of(session().message_kept("0123456789abcdef")),
              "250 2.0.0 Accepted as 0123456789abcdef\r\n250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().messages, 1U);
    EXPECT_EQ(last(""), "503 5.5.1 Say MAIL first\r\n");
}

TEST_F(ChunksTest, AllInOnePacket) {
    EXPECT_EQ(send("BDAT 3\r\na\r\nbdat 1\r\nbBDAT 0  last\r\nQUIT\r\n"),
              std::string(begun) +
                  "[Body a\r\n]250 2.0.0 3 octets received\r\n[Body b]"
                  "250 2.0.0 1 octets received\r\n[Body \r\n][MessageEnded]");
    EXPECT_THAT(text_of(session().message_kept("1")), EndsWith("[Close]"));
}

TEST_F(ChunksTest, OfNoOctets) {
    EXPECT_EQ(last(""), std::string(begun) + "[MessageEnded]");
}

TEST_F(ChunksTest, OneMessageAfterAnother) {
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(last("x\r\n"), std::string(begun) + "[Body x\r\n][MessageEnded]");
        static_cast<void>(session().message_kept("1"));
        begin("NOOP");
        EXPECT_THAT(send("DATA\r\ny\r\n.\r\n"), EndsWith("[Body y\r\n][MessageEnded]")) << "and with DATA";
        static_cast<void>(session().message_kept("1"));
        begin("NOOP");
    }
}

TEST_F(ChunksTest, ALineEndMayBeCutInTwo) {
    EXPECT_THAT(chunk("a\r"), EndsWith("250 2.0.0 2 octets received\r\n"));
    EXPECT_EQ(last("\nb\r\n"), "[Body \nb\r\n][MessageEnded]");
}

TEST_F(ChunksTest, ACarriageReturnAloneIsNone) {
    EXPECT_THAT(chunk("a\r"), EndsWith("250 2.0.0 2 octets received\r\n"));
    EXPECT_THAT(chunk("b\n"), StartsWith("[MessageAborted]554 5.5.2 "));
    begin("RSET\r\nEHLO");
    EXPECT_THAT(last("a\r"), HasSubstr("[MessageAborted]554 5.5.2 ")) << "nor at the very end";
}

// RFC 5321, 4.1.1.4: "in that case, the originating SMTP system MUST either reject the message as invalid or
// add <CRLF>".
TEST_F(ChunksTest, ALastLineIsCompleted) {
    EXPECT_EQ(last("a\r\nb"), std::string(begun) + "[Body a\r\nb][Body \r\n][MessageEnded]");
}

class BadChunkTest : public ChunksTest, public testing::WithParamInterface<BadOctets> {};

TEST_P(BadChunkTest, IsRefusedAtItsEndAndNoCommandIsFoundInIt) {
    const std::string body =
        "Subject: x\r\n\r\na" + std::string(GetParam().octets) + "QUIT\r\nMAIL FROM:<evil@example.com>\r\n";
    EXPECT_THAT(send("BDAT " + std::to_string(body.size()) + "\r\n" + body.substr(0, body.size() - 1)),
                EndsWith("[MessageAborted]"));
    const std::string reply(GetParam().reply);
    EXPECT_EQ(send("\nBDAT 9\r\nRSET\r\n.\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
              reply + reply + reply + "250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().errors, 1U) << "of one message";
    EXPECT_EQ(client_.say("RCPT TO:<bob@example.org>"), "503 5.5.1 Say MAIL first\r\n");
}

INSTANTIATE_TEST_SUITE_P(Smuggling, BadChunkTest, testing::ValuesIn(false_ends));
INSTANTIATE_TEST_SUITE_P(Others, BadChunkTest, testing::ValuesIn(other_bad_octets));

TEST_F(ChunksTest, WhatEndsAMessageOfDataIsTextHere) {
    EXPECT_EQ(last("a\r\n.\r\nQUIT\r\n"), std::string(begun) + "[Body a\r\n.\r\nQUIT\r\n][MessageEnded]");
}

TEST_F(ChunksTest, LinesHaveTheirLimitAcrossChunks) {
    const std::string half(499, 'x');
    EXPECT_THAT(chunk(half), EndsWith("250 2.0.0 499 octets received\r\n"));
    EXPECT_THAT(chunk(half + "\r\n" + half), EndsWith("250 2.0.0 1000 octets received\r\n"));
    EXPECT_THAT(last(half + "x\r\n"), StartsWith("[MessageAborted]554 5.6.0 "));
}

TEST_F(ChunksTest, MixedWithDataIsRefused) {
    static_cast<void>(chunk("x\r\n"));
    for (const char* command : {"DATA", "MAIL FROM:<a@example.com>", "RCPT TO:<c@example.org>", "STARTTLS"}) {
        EXPECT_EQ(client_.say(command), "503 5.5.1 Not between the chunks of a message\r\n") << command;
    }
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(last("y\r\n"), "[Body y\r\n][MessageEnded]");
}

TEST_F(ChunksTest, GivenUpBetweenThem) {
    for (const char* command : {"RSET", "EHLO x"}) {
        EXPECT_THAT(chunk("x\r\n"), StartsWith(begun));
        EXPECT_THAT(client_.say(command), StartsWith("[MessageAborted]250")) << command;
        EXPECT_EQ(chunk("NOOP\r\n"), "503 5.5.1 Say MAIL first\r\n");
        begin("NOOP");
    }
    static_cast<void>(chunk("x\r\n"));
    EXPECT_THAT(client_.say("QUIT"), StartsWith("[MessageAborted]221 "));
}

TEST_F(ChunksTest, GivenUpForTime) {
    static_cast<void>(send("BDAT 10\r\nxxx"));
    EXPECT_EQ(text_of(session().give_up("4.4.2 Time-out")), "[MessageAborted]421 4.4.2 Time-out\r\n[Close]");
}

TEST_F(ChunksTest, GivenUpForTimeBetweenThem) {
    static_cast<void>(chunk("x"));
    EXPECT_EQ(text_of(session().give_up("4.4.2 Time-out")), "[MessageAborted]421 4.4.2 Time-out\r\n[Close]");
}

TEST(ChunksOutOfPlace, SwallowTheirOctetsAllTheSame) {
    Client client(trusted());
    const std::string_view bdat = "BDAT 6\r\nQUIT\r\n";
    EXPECT_EQ(client.send(bdat), "503 5.5.1 Say EHLO first\r\n");
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.send(bdat), "503 5.5.1 Say MAIL first\r\n");
    static_cast<void>(client.say("MAIL FROM:<a@example.com>"));
    EXPECT_EQ(client.send(bdat), "503 5.5.1 Say RCPT first\r\n");
    static_cast<void>(client.say("RCPT TO:<nobody>"));
    EXPECT_EQ(client.send("BDAT 6 LAST\r\nQUIT\r\n"), "554 5.5.1 No valid recipients\r\n");
    EXPECT_EQ(client.say("RCPT TO:<b@example.org>"), "250 2.1.5 Recipient ok\r\n") << "it goes on";
    EXPECT_EQ(client.send("BDAT 6 FIRST\r\nQUIT\r\n"), "501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    EXPECT_EQ(client.session.state().errors, 6U);
    EXPECT_THAT(client.send("BDAT 0 LAST\r\n"), EndsWith("[MessageEnded]"));
}

TEST(ChunksOutOfPlace, AreForThoseWhoSayEhlo) {
    Client client(trusted());
    static_cast<void>(client.send("HELO x\r\n"));
    static_cast<void>(client.say("MAIL FROM:<a@example.com>"));
    static_cast<void>(client.say("RCPT TO:<b@example.org>"));
    EXPECT_EQ(client.send("BDAT 6 LAST\r\nQUIT\r\n"), "503 5.5.1 Say EHLO first\r\n");
    EXPECT_THAT(client.say("DATA"), EndsWith("354 End data with <CR><LF>.<CR><LF>\r\n"));
}

TEST(ChunksOutOfPlace, BehindASenderWhoIsRefused) {
    Client client(inside_tls());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_THAT(
        client.send(
            "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
        EndsWith("503 5.5.1 Say MAIL first\r\n503 5.5.1 Say MAIL first\r\n250 2.0.0 Ok\r\n"));
}

TEST_F(ChunksTest, AWrongWordAmongThemEndsTheMessage) {
    static_cast<void>(chunk("x"));
    EXPECT_EQ(chunk("QUIT\r\n", " LAST LAST"), "[MessageAborted]501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    EXPECT_EQ(last("QUIT\r\n"), "501 5.5.4 Syntax: BDAT size [LAST]\r\n");
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

// What follows could be the text of a message.
TEST_F(ChunksTest, ThatCantBeCountedEndTheConnection) {
    for (const char* line : {"BDAT", "BDAT LAST", "BDAT -1", "BDAT +1", "BDAT 0x5", "BDAT 5LAST",
                             "BDAT 18446744073709551616 LAST"}) {
        Client client(trusted());
        EXPECT_EQ(client.send(std::string(line) + "\r\nNOOP\r\n"),
                  "501 5.5.4 Syntax: BDAT size [LAST]\r\n"
                  "421 4.7.0 This chunk has no end, closing the connection\r\n[Close]")
            << line;
    }
    static_cast<void>(chunk("x"));
    EXPECT_THAT(client_.say("BDAT x"), HasSubstr("\r\n[MessageAborted]421 4.7.0 "));
}

class SmallChunksTest : public ChunksTest {
protected:
    static Example small() {
        Example settings = trusted();
        settings.largest_message = 10;
        settings.errors = 3;
        return settings;
    }
    SmallChunksTest() : ChunksTest(small()) {}
};

constexpr std::string_view large = "552 5.3.4 Message exceeds the maximum size\r\n";

TEST_F(SmallChunksTest, TooLargeIsReadToItsEnd) {
    EXPECT_THAT(chunk("12345678"), EndsWith("250 2.0.0 8 octets received\r\n"));
    EXPECT_THAT(send("BDAT 10 LAST\r\n9\r\n"), StartsWith("[MessageAborted]"));
    EXPECT_EQ(send("QUIT\r\n"), "");
    EXPECT_EQ(send("\nNOOP\r\n"), std::string(large) + "250 2.0.0 Ok\r\n");
}

class FalseEndOfLargeChunkTest : public SmallChunksTest, public testing::WithParamInterface<BadOctets> {};

TEST_P(FalseEndOfLargeChunkTest, IsNone) {
    const std::string behind = std::string(GetParam().octets) + "QUIT\r\nMAIL FROM:<evil@example.com>\r\n";
    const std::string body = "Subject: x\r\n" + behind;
    EXPECT_EQ(send("BDAT " + std::to_string(body.size()) + " LAST\r\n" + body.substr(0, body.size() - 1)),
              std::string(begun) + "[MessageAborted]");
    EXPECT_FALSE(session().waiting());
    EXPECT_TRUE(session().receiving());
    EXPECT_EQ(session().state().errors, 0U) << "nothing is over yet";
    EXPECT_EQ(send("\nNOOP\r\n"), std::string(large) + "250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().errors, 1U);
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

TEST_P(FalseEndOfLargeChunkTest, IsNoneInTheNextChunkEither) {
    const std::string behind = std::string(GetParam().octets) + "QUIT\r\nMAIL FROM:<evil@example.com>\r\n";
    EXPECT_EQ(chunk("Subject: x\r\n"), std::string(begun) + "[MessageAborted]" + std::string(large));
    EXPECT_EQ(chunk(behind), large);
    EXPECT_EQ(last(behind), large);
    EXPECT_EQ(session().state().errors, 1U) << "of one message";
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

INSTANTIATE_TEST_SUITE_P(Smuggling, FalseEndOfLargeChunkTest, testing::ValuesIn(false_ends));

TEST_F(SmallChunksTest, TheLineEndThatIsAddedCounts) {
    EXPECT_THAT(last("12345678"), EndsWith("[MessageEnded]"));
    static_cast<void>(session().message_kept("1"));
    begin("NOOP");
    EXPECT_THAT(last("123456789"), EndsWith("[MessageAborted]" + std::string(large)));
}

TEST_F(SmallChunksTest, ManyBehindAFailureAreOneError) {
    EXPECT_THAT(chunk("123456789012"), EndsWith(large));
    for (int i = 0; i < 50; i++) {
        ASSERT_EQ(chunk("QUIT\r\n"), large);
    }
    EXPECT_EQ(session().state().errors, 1U);
    std::string said;
    for (int i = 0; i < 100 && !said.ends_with("[Close]"); i++) {
        said = chunk("QUIT\r\n");
    }
    EXPECT_THAT(said, EndsWith("[Close]")) << "but not for ever";
}

TEST_F(SmallChunksTest, EmptyOnesHaveALimit) {
    std::string said;
    for (int i = 0; i < 200 && !said.ends_with("[Close]"); i++) {
        said = chunk("");
    }
    EXPECT_EQ(said,
              "250 2.0.0 0 octets received\r\n[MessageAborted]"
              "421 4.7.0 Too many errors, closing the connection\r\n[Close]");
}

TEST_F(ChunksTest, RefusedByOthersInTheMiddle) {
    static_cast<void>(send("BDAT 8\r\nx\r\n"));
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 No room")), "[MessageAborted]");
    EXPECT_EQ(send("QUIT\nBDAT 6 LAST\r\nQUIT\r\n"), "452 4.3.1 No room\r\n452 4.3.1 No room\r\n");
    EXPECT_EQ(session().state().errors, 0U);
}

// The session was ahead, and has said 250 to the chunk: the next one is told.
TEST_F(ChunksTest, RefusedByOthersBetweenThem) {
    static_cast<void>(chunk("x\r\n"));
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 No room")), "[MessageAborted]");
    EXPECT_EQ(last("y\r\n"), "452 4.3.1 No room\r\n");
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

TEST_F(ChunksTest, RefusedByOthersAtTheEnd) {
    static_cast<void>(last("x\r\n"));
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 No room")), "452 4.3.1 No room\r\n");
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

}  // namespace
}  // namespace sekisho::session
