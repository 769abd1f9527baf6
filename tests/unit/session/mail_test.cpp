// SPDX-License-Identifier: Apache-2.0
// A mail transaction, and what ends it.
#include <gmock/gmock.h>

#include "tests/unit/session/bad_octets.h"
#include "tests/unit/session/client.h"

namespace sekisho::session {
namespace {

using testing::EndsWith;
using testing::StartsWith;

class MailTest : public testing::Test {
protected:
    explicit MailTest(const Example& settings = trusted()) : client_(settings) {
        static_cast<void>(client_.say("EHLO client.example.com"));
    }

    Session& session() { return client_.session; }

    Client client_;
};

TEST_F(MailTest, Whole) {
    EXPECT_EQ(client_.say("MAIL FROM:<alice@example.com> SIZE=20 BODY=8BITMIME"), "250 2.1.0 Sender ok\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<bob@example.org>"), "250 2.1.5 Recipient ok\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<carol@example.org>"), "250 2.1.5 Recipient ok\r\n");
    EXPECT_EQ(client_.say("DATA"),
              "[MessageBegun <alice@example.com> <bob@example.org> <carol@example.org> 8BITMIME SIZE=20]"
              "354 End data with <CR><LF>.<CR><LF>\r\n");
    EXPECT_EQ(client_.send("Subject: x\r\n\r\n..\r\n...a\r\n.b\r\n"),
              "[Body Subject: x\r\n\r\n.\r\n..a\r\nb\r\n]");
    EXPECT_EQ(client_.send(".\r\nNOOP\r\n"), "[MessageEnded]");
    EXPECT_TRUE(session().waiting());
    EXPECT_EQ(text_of(session().message_kept("0123456789abcdef")),
              "250 2.0.0 Accepted as 0123456789abcdef\r\n250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().messages, 1U);
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

TEST_F(MailTest, OfNoOctets) {
    client_.begin_message();
    EXPECT_EQ(client_.say("."), "[MessageEnded]");
}

TEST_F(MailTest, OneAfterAnother) {
    for (int i = 0; i < 3; i++) {
        static_cast<void>(client_.say("MAIL FROM:<>"));
        static_cast<void>(client_.say("RCPT TO:<bob@example.org>"));
        EXPECT_THAT(client_.send("DATA\r\nx\r\n.\r\n"), EndsWith("[Body x\r\n][MessageEnded]"));
        static_cast<void>(session().message_kept("1"));
    }
    EXPECT_EQ(session().state().messages, 3U);
}

TEST_F(MailTest, FromNobody) {
    static_cast<void>(client_.say("MAIL FROM:<>"));
    static_cast<void>(client_.say("RCPT TO:<bob@example.org>"));
    EXPECT_THAT(client_.say("DATA"), StartsWith("[MessageBegun <> <bob@example.org>]"));
}

TEST_F(MailTest, ToThePostmaster) {
    static_cast<void>(client_.say("MAIL FROM:<alice@example.com>"));
    EXPECT_EQ(client_.say("RCPT TO:<PostMaster>"), "250 2.1.5 Recipient ok\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<webmaster>"), "501 5.1.3 Bad recipient address syntax\r\n");
    EXPECT_THAT(client_.say("DATA"),
                StartsWith("[MessageBegun <alice@example.com> <PostMaster@example.net>]"));
}

TEST_F(MailTest, SendersThatCantBe) {
    for (const char* path :
         {"alice@example.com", "<alice>", "<alice@>", "<@example.com>", "<a b@example.com>", "<a@example.com",
          "<a@example..com>", "<\x01@example.com>", "<a@example.com\x7f>", "<postmaster>", R"(<"a@b">)"}) {
        Client client(trusted());
        static_cast<void>(client.say("EHLO x"));
        EXPECT_EQ(client.say("MAIL FROM:" + std::string(path)), "501 5.1.7 Bad sender address syntax\r\n")
            << path;
    }
    EXPECT_EQ(client_.say("MAIL FROM:<j\xc3\xb8rn@example.com>"),
              "553 5.6.7 Addresses outside of ASCII are for those who say SMTPUTF8\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<" + std::string(65, 'a') + "@example.com>"),
              "501 5.1.7 Sender address too long\r\n");
    EXPECT_EQ(client_.say("MAIL TO:<alice@example.com>"), "501 5.5.4 Syntax: MAIL FROM:<address>\r\n");
    EXPECT_THAT(client_.say("MAIL FROM: <alice@example.com>"), StartsWith("250 2.1.0 "));
}

TEST_F(MailTest, RecipientsThatCantBe) {
    static_cast<void>(client_.say("MAIL FROM:<alice@example.com>"));
    EXPECT_EQ(client_.say("RCPT TO:<>"), "501 5.1.3 Bad recipient address syntax\r\n");
    EXPECT_EQ(client_.say(R"(RCPT TO:<"a@b">)"), "501 5.1.3 Bad recipient address syntax\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<bob@example.org>x"), "501 5.1.3 Bad recipient address syntax\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<bob@b\xc3\xbc"
                          "cher.example>"),
              "553 5.6.7 Addresses outside of ASCII are for those who say SMTPUTF8\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<" + std::string(65, 'a') + "@example.com>"),
              "501 5.1.3 Recipient address too long\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<bob@example.org> FOO=1"), "555 5.5.4 Unknown parameter\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<bob@example.org> NOTIFY=NEVER,DELAY"), "501 5.5.4 Bad parameter\r\n");
    EXPECT_EQ(client_.say("RCPT FROM:<bob@example.org>"), "501 5.5.4 Syntax: RCPT TO:<address>\r\n");
    EXPECT_EQ(client_.say("DATA"), "554 5.5.1 No valid recipients\r\n");
    EXPECT_THAT(client_.say("RCPT TO:<@relay.example,@two.example:bob@example.org>"),
                StartsWith("250 2.1.5 "));
    EXPECT_THAT(client_.say("DATA"), StartsWith("[MessageBegun <alice@example.com> <bob@example.org>]354 "));
}

TEST_F(MailTest, DataNeedsARecipient) {
    static_cast<void>(client_.say("MAIL FROM:<alice@example.com>"));
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say RCPT first\r\n");
    EXPECT_EQ(client_.say("DATA x"), "501 5.5.4 Syntax: DATA\r\n");
}

TEST_F(MailTest, Parameters) {
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> FOO=1"), "555 5.5.4 Unknown parameter\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> BINARYMIME"), "555 5.5.4 Unknown parameter\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> SIZE=x"), "501 5.5.4 Bad parameter\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com>SIZE=1"), "501 5.5.4 Bad parameter\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> BODY=BINARYMIME"), "501 5.5.4 Bad parameter\r\n");
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com>  size=1 auth=<> body=7bit"), StartsWith("250 2.1.0 "));
}

// Where everybody is let in, nobody has notices sent to others.
TEST(MailOfStrangers, TheyAreToldNothingOfItsFate) {
    Example settings = trusted();
    settings.dsn = false;
    Client client(settings);
    EXPECT_THAT(client.say("EHLO x"), testing::Not(testing::HasSubstr("DSN")));
    for (const char* parameter : {"RET=HDRS", "ENVID=x"}) {
        EXPECT_THAT(client.say("MAIL FROM:<a@example.com> " + std::string(parameter)),
                    StartsWith("555 5.5.4"));
    }
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("250"));
    for (const char* parameter : {"NOTIFY=SUCCESS", "NOTIFY=NEVER", "ORCPT=rfc822;x"}) {
        EXPECT_THAT(client.say("RCPT TO:<a@example.com> " + std::string(parameter)), StartsWith("555 5.5.4"));
    }
}

// RFC 6531, 3.5 and 3.6.
TEST_F(MailTest, AddressesInLettersOfAnyLanguage) {
    EXPECT_THAT(client_.say("MAIL FROM:<j\u00f6rg@example.com>"), StartsWith("553 5.6.7 "));
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com>"), StartsWith("250"));
    EXPECT_THAT(client_.say("RCPT TO:<j\u00f6rg@example.com>"), StartsWith("553 5.6.7 "));
    static_cast<void>(client_.say("RSET"));
    EXPECT_THAT(client_.say("MAIL FROM:<j\u00f6rg@example.com> SMTPUTF8"), StartsWith("250"));
    EXPECT_THAT(client_.say("RCPT TO:<x@b\u00fccher.example>"), StartsWith("250"));
    EXPECT_THAT(client_.say("DATA"),
                StartsWith("[MessageBegun <j\u00f6rg@example.com> <x@b\u00fccher.example> SMTPUTF8]"));
}

TEST_F(MailTest, WhatTheSenderWantsToHear) {
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com> ENVID=QQ+2B314 RET=hdrs"), StartsWith("250 2.1.0 "));
    EXPECT_THAT(client_.say("RCPT TO:<b@example.org> notify=failure,SUCCESS ORCPT=rfc822;B+40example.org"),
                StartsWith("250 2.1.5 "));
    EXPECT_THAT(client_.say("RCPT TO:<c@example.org> NOTIFY=NEVER"), StartsWith("250 2.1.5 "));
    EXPECT_THAT(client_.say("RCPT TO:<d@example.org>"), StartsWith("250 2.1.5 "));
    EXPECT_THAT(client_.say("DATA"),
                StartsWith("[MessageBegun <a@example.com> <b@example.org> NOTIFY=SUCCESS,FAILURE "
                           "ORCPT=rfc822;B+40example.org <c@example.org> NOTIFY=NEVER <d@example.org> "
                           "RET=HDRS ENVID=QQ+2B314]354 "));
    static_cast<void>(client_.say("."));
    static_cast<void>(session().message_kept("1"));
    client_.begin_message();
    EXPECT_THAT(client_.say("."), testing::Eq("[MessageEnded]")) << "and the next message is plain again";
}

// RFC 6533, 3: so it may be written without SMTPUTF8.
TEST_F(MailTest, AnOriginalRecipientInLettersOfAnyLanguage) {
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com>"), StartsWith("250"));
    EXPECT_THAT(client_.say(R"(RCPT TO:<b@example.org> ORCPT=utf-8;j\x{F6}rg@example.com)"),
                StartsWith("250"));
    EXPECT_EQ(client_.say(R"(RCPT TO:<b@example.org> ORCPT=utf-8;j\x{0D}@example.com)"),
              "501 5.5.4 Bad parameter\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<b@example.org> ORCPT=utf-8;j\u00f6rg@example.com"),
              "501 5.5.4 Bad parameter\r\n");
    EXPECT_THAT(
        client_.say("DATA"),
        StartsWith(R"([MessageBegun <a@example.com> <b@example.org> ORCPT=utf-8;j\x{F6}rg@example.com])"));
}

// Whoever gets the message next may not know of SMTPUTF8, which an original recipient alone doesn't need.
TEST_F(MailTest, AnOriginalRecipientBehindSmtputf8IsKeptInAscii) {
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com> SMTPUTF8"), StartsWith("250"));
    EXPECT_THAT(client_.say("RCPT TO:<b@example.org> ORCPT=utf-8;j\u00f6rg@example.com"), StartsWith("250"));
    EXPECT_EQ(client_.say("RCPT TO:<b@example.org> ORCPT=rfc822;j\u00f6rg@example.com"),
              "501 5.5.4 Bad parameter\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<b@example.org> ORCPT=utf-8;\xff"), "501 5.5.4 Bad parameter\r\n");
    EXPECT_THAT(
        client_.say("DATA"),
        StartsWith(R"([MessageBegun <a@example.com> <b@example.org> ORCPT=utf-8;j\x{F6}rg@example.com )"
                   "SMTPUTF8]"));
}

TEST_F(MailTest, ParametersAreForThoseWhoSayEhlo) {
    static_cast<void>(client_.say("HELO x"));
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com> SIZE=1"), StartsWith("555 5.5.4 "));
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com>"), StartsWith("250 2.1.0 "));
    EXPECT_THAT(client_.say("RCPT TO:<b@example.org> NOTIFY=NEVER"), StartsWith("555 5.5.4 "));
}

class SmallMailTest : public MailTest {
protected:
    static Example small() {
        Example settings = trusted();
        settings.largest_message = 10;
        settings.recipients = 2;
        return settings;
    }
    SmallMailTest() : MailTest(small()) {}
};

TEST_F(SmallMailTest, SizeIsKnownBefore) {
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> SIZE=11"),
              "552 5.3.4 Message exceeds the maximum size\r\n");
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com> SIZE=99999999999999999999"),
              "552 5.3.4 Message exceeds the maximum size\r\n");
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com> SIZE=10"), StartsWith("250 2.1.0 "));
}

TEST_F(SmallMailTest, SizeIsSeenInTheBody) {
    client_.begin_message();
    EXPECT_EQ(client_.send("12345678\r\n"), "[Body 12345678\r\n]");
    EXPECT_EQ(client_.send("9"), "[MessageAborted]");
    EXPECT_EQ(client_.send("more\r\nQUIT\r\n"), "");
    EXPECT_EQ(client_.send(".\r\nNOOP\r\n"),
              "552 5.3.4 Message exceeds the maximum size\r\n250 2.0.0 Ok\r\n");
}

TEST_F(SmallMailTest, SizeDoesNotCountAddedDots) {
    client_.begin_message();
    EXPECT_EQ(client_.send("..\r\n..\r\n....\r\n.\r\n"),
              "[MessageAborted]552 5.3.4 Message exceeds the maximum size\r\n");
    client_.begin_message();
    EXPECT_EQ(client_.send("..\r\n..\r\n...\r\n.\r\n"), "[Body .\r\n.\r\n..\r\n][MessageEnded]");
}

class FalseEndOfLargeMailTest : public SmallMailTest, public testing::WithParamInterface<BadOctets> {
protected:
    // Octet by octet, or in one piece.
    std::string send(std::string_view octets, bool in_pieces) {
        if (!in_pieces) {
            return client_.send(octets);
        }
        std::string said;
        for (const char octet : octets) {
            said += client_.send({&octet, 1});
        }
        return said;
    }
};

// What a message holds beyond its size isn't looked at any more, but for its true end.
TEST_P(FalseEndOfLargeMailTest, IsNone) {
    for (const bool in_pieces : {false, true}) {
        client_.begin_message();
        const std::size_t errors = session().state().errors;
        EXPECT_EQ(client_.send("Subject: x\r\n"), "[MessageAborted]");
        EXPECT_EQ(
            send(std::string(GetParam().octets) + "QUIT\r\nMAIL FROM:<evil@example.com>\r\n", in_pieces), "");
        EXPECT_FALSE(session().waiting());
        EXPECT_TRUE(session().receiving());
        EXPECT_EQ(send("RSET\r\n.\r", in_pieces), "");
        EXPECT_EQ(session().state().errors, errors) << "nothing is over yet";
        EXPECT_EQ(send("\nNOOP\r\n", in_pieces),
                  "552 5.3.4 Message exceeds the maximum size\r\n250 2.0.0 Ok\r\n");
        EXPECT_EQ(session().state().errors, errors + 1);
        EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
    }
}

INSTANTIATE_TEST_SUITE_P(Smuggling, FalseEndOfLargeMailTest, testing::ValuesIn(false_ends));

TEST_F(SmallMailTest, RecipientsHaveALimit) {
    EXPECT_THAT(client_.say("EHLO x"), testing::HasSubstr("250-LIMITS RCPTMAX=2\r\n"));
    static_cast<void>(client_.say("MAIL FROM:<a@example.com>"));
    static_cast<void>(client_.say("RCPT TO:<1@example.com>"));
    static_cast<void>(client_.say("RCPT TO:<2@example.com>"));
    EXPECT_EQ(client_.say("RCPT TO:<3@example.com>"), "452 4.5.3 Too many recipients\r\n");
    EXPECT_EQ(session().state().errors, 0U);
    EXPECT_THAT(client_.say("DATA"),
                StartsWith("[MessageBegun <a@example.com> <1@example.com> <2@example.com>]"));
}

TEST_F(SmallMailTest, ThousandsOfRecipientsAreTooMany) {
    static_cast<void>(client_.say("MAIL FROM:<a@example.com>"));
    std::string last;
    for (int i = 0; i < 1000 && !last.ends_with("[Close]"); i++) {
        last = client_.say("RCPT TO:<b@example.com>");
    }
    EXPECT_THAT(last, EndsWith("421 4.7.0 Too many errors, closing the connection\r\n[Close]"));
}

class BadBodyTest : public MailTest, public testing::WithParamInterface<BadOctets> {};

TEST_P(BadBodyTest, IsRefusedAfterItsTrueEnd) {
    client_.begin_message();
    const std::string body =
        "Subject: x\r\n\r\na" + std::string(GetParam().octets) + "QUIT\r\nMAIL FROM:<evil@example.com>\r\n";
    EXPECT_EQ(client_.send(body), "[MessageAborted]");
    EXPECT_FALSE(session().waiting());
    EXPECT_THAT(client_.send("QUIT\r\n"), "");
    EXPECT_EQ(client_.send(".\r\n"), GetParam().reply);
    EXPECT_EQ(session().state().errors, 1U);
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(client_.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
}

INSTANTIATE_TEST_SUITE_P(Smuggling, BadBodyTest, testing::ValuesIn(false_ends));
INSTANTIATE_TEST_SUITE_P(Others, BadBodyTest, testing::ValuesIn(other_bad_octets));

TEST_F(MailTest, LinesOfATextHaveALimit) {
    client_.begin_message();
    const std::string longest(998, 'x');
    EXPECT_EQ(client_.send(longest + "\r\n." + longest + "\r\n"),
              "[Body " + longest + "\r\n" + longest + "\r\n]");
    EXPECT_EQ(client_.send(longest), "[Body " + longest + "]");
    EXPECT_EQ(client_.send("x"), "[MessageAborted]");
    EXPECT_THAT(client_.send("\r\n.\r\n"), StartsWith("554 5.6.0 "));
}

// RFC 5321, 4.5.3.1.6: up to 1000 octets must be taken.
TEST_F(MailTest, ALineOfAMillionOctetsIsRefusedAndNotKept) {
    client_.begin_message();
    const std::size_t before = octets_in_use();
    const std::string piece(1 << 16, 'x');
    EXPECT_EQ(client_.send(piece), "[MessageAborted]");
    for (int i = 1; i < 16; i++) {
        ASSERT_EQ(client_.send(piece), "");
        EXPECT_LT(octets_in_use(), before + (1 << 18));
    }
    EXPECT_EQ(client_.send("\r\nQUIT\r\n.\r\nNOOP\r\n"),
              "554 5.6.0 Line of over 998 octets in the message\r\n250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().errors, 1U);
}

TEST_F(MailTest, RefusedByOthersAtItsEnd) {
    client_.begin_message();
    static_cast<void>(client_.send("x\r\n.\r\n"));
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 Insufficient system storage")),
              "452 4.3.1 Insufficient system storage\r\n");
    EXPECT_EQ(session().state().errors, 0U);
    EXPECT_EQ(session().state().messages, 0U);
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST_F(MailTest, RefusedByOthersInItsMiddle) {
    client_.begin_message();
    EXPECT_EQ(client_.send("x\r\n"), "[Body x\r\n]");
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 No room")), "[MessageAborted]");
    EXPECT_EQ(text_of(session().message_refused("451 4.3.0 Another reason")), "");
    EXPECT_EQ(client_.send("y\r\nQUIT\r\n\n.\n\r\n."), "");
    EXPECT_EQ(client_.send("\r\nNOOP\r\n"), "452 4.3.1 No room\r\n250 2.0.0 Ok\r\n");
    EXPECT_EQ(session().state().errors, 0U);
}

TEST_F(MailTest, RefusalsOfOthersMustBeReplies) {
    for (const char* text : {"", "No", "250 2.0.0 Ok", "452 No room", "452 5.3.1 No room", "452-4.3.1 x"}) {
        client_.begin_message();
        static_cast<void>(client_.say("."));
        EXPECT_EQ(text_of(session().message_refused(text)),
                  "451 4.3.0 Temporary failure, try again later\r\n")
            << text;
    }
    client_.begin_message();
    static_cast<void>(client_.say("."));
    EXPECT_EQ(text_of(session().message_refused("452 4.3.1 No\r\n250 room")), "452 4.3.1 No??250 room\r\n");
}

TEST_F(MailTest, GivingUpInItsMiddleAborts) {
    client_.begin_message();
    static_cast<void>(client_.send("x\r\n"));
    EXPECT_EQ(text_of(session().give_up("4.4.2 Time-out")), "[MessageAborted]421 4.4.2 Time-out\r\n[Close]");
}

TEST_F(MailTest, GivingUpAfterABadOctetAbortsOnce) {
    client_.begin_message();
    EXPECT_EQ(client_.send("x\n"), "[MessageAborted]");
    EXPECT_EQ(text_of(session().give_up("4.4.2 Time-out")), "421 4.4.2 Time-out\r\n[Close]");
}

TEST_F(MailTest, GivingUpWhileItIsBeingKeptDoesNotAbort) {
    client_.begin_message();
    static_cast<void>(client_.say("."));
    EXPECT_EQ(text_of(session().give_up("4.3.2 Shutting down")), "421 4.3.2 Shutting down\r\n[Close]");
    EXPECT_FALSE(session().waiting());
}

TEST_F(MailTest, AClientThatDoesNotWaitIsReadAsItWouldBeElse) {
    EXPECT_THAT(client_.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nQUIT\r\n.\r\n"),
                EndsWith("354 End data with <CR><LF>.<CR><LF>\r\n[Body QUIT\r\n][MessageEnded]"));
    static_cast<void>(session().message_kept("1"));
    // Its message isn't read as commands beyond the first field.
    EXPECT_EQ(
        client_.send(
            "MAIL FROM:<a@example.com>\r\nRCPT TO:<b>\r\nDATA\r\nFrom: <a@example.com>\r\n\r\nQUIT\r\n"),
        "250 2.1.0 Sender ok\r\n501 5.1.3 Bad recipient address syntax\r\n554 5.5.1 No valid recipients\r\n"
        "421 4.7.0 This is an SMTP server, closing the connection\r\n[Close]");
}

}  // namespace
}  // namespace sekisho::session
