// SPDX-License-Identifier: Apache-2.0
// The table of commands: greeting, order, arguments, STARTTLS, limits.
#include <gmock/gmock.h>

#include "tests/unit/session/client.h"

namespace sekisho::session {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Commands, BeginWithTheBanner) {
    Session session(example_settings());
    EXPECT_EQ(text_of(session.begin()), "220 mail.example.net ESMTP Sekisho\r\n");
    EXPECT_FALSE(session.waiting());
}

TEST(Commands, EhloNamesWhatThereIs) {
    Example settings = before_tls();
    settings.largest_message = 1000;
    settings.recipients = 200;
    Client client(settings);
    EXPECT_EQ(client.say("EHLO client.example.com"),
              "250-mail.example.net greets 192.0.2.1\r\n"
              "250-SIZE 1000\r\n"
              "250-PIPELINING\r\n"
              "250-8BITMIME\r\n"
              "250-SMTPUTF8\r\n"
              "250-CHUNKING\r\n"
              "250-DSN\r\n"
              "250-LIMITS RCPTMAX=200\r\n"
              "250-STARTTLS\r\n"
              "250 ENHANCEDSTATUSCODES\r\n");
    EXPECT_EQ(client.session.state().helo, "client.example.com");
    EXPECT_TRUE(client.session.state().esmtp);
}

TEST(Commands, AuthIsOfferedInsideTlsOnly) {
    EXPECT_THAT(Client(inside_tls()).say("EHLO x"), HasSubstr("250-AUTH PLAIN LOGIN\r\n"));
    EXPECT_THAT(Client(inside_tls()).say("EHLO x"), Not(HasSubstr("STARTTLS")));
    EXPECT_THAT(Client(before_tls()).say("EHLO x"), Not(HasSubstr("AUTH")));
    EXPECT_THAT(Client(trusted()).say("EHLO x"), Not(HasSubstr("AUTH")));
    Example nothing = inside_tls();
    nothing.mechanisms.clear();
    EXPECT_THAT(Client(nothing).say("EHLO x"), Not(HasSubstr("AUTH")));
    Example either = inside_tls();
    either.login_required = false;
    EXPECT_THAT(Client(either).say("EHLO x"), HasSubstr("250-AUTH PLAIN LOGIN\r\n"));
}

TEST(Commands, HeloIsAnsweredInOneLine) {
    Client client(before_tls());
    EXPECT_EQ(client.say("helo [192.0.2.1]"), "250 mail.example.net\r\n");
    EXPECT_FALSE(client.session.state().esmtp);
    EXPECT_EQ(client.session.state().helo, "[192.0.2.1]");
}

TEST(Commands, ANameOfAClientIsKeptAsPrintableAscii) {
    Client client(before_tls());
    EXPECT_THAT(client.say("EHLO pc-\xe5\xb1\xb1\t\x01"), StartsWith("250-"));
    EXPECT_EQ(client.session.state().helo, "pc-?????");
    EXPECT_THAT(client.say("EHLO two names"), StartsWith("501 5.5.4 "));
    EXPECT_THAT(client.say("EHLO " + std::string(256, 'a')), StartsWith("501 5.5.4 "));
    EXPECT_THAT(client.say("EHLO " + std::string(255, 'a')), StartsWith("250-"));
}

TEST(Commands, VerbsAreReadInAnyCaseAndBlanksBehindThemDontMatter) {
    Client client(trusted());
    EXPECT_THAT(client.say("eHlO x"), StartsWith("250-"));
    EXPECT_EQ(client.say("noop  "), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(client.say("NOOP and more"), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(client.say("rset\t"), "250 2.0.0 Ok\r\n");
    EXPECT_THAT(client.say("mail from:<> "), StartsWith("250 2.1.0 "));
}

TEST(Commands, ArgumentsAreWantedOrNot) {
    Client client(trusted());
    EXPECT_EQ(client.say("EHLO"), "501 5.5.4 Syntax: EHLO name\r\n");
    EXPECT_EQ(client.say("HELO "), "501 5.5.4 Syntax: HELO name\r\n");
    static_cast<void>(client.say("EHLO x"));
    for (const char* command : {"RSET x", "QUIT x", "STARTTLS x", "MAIL", "VRFY", "AUTH"}) {
        EXPECT_THAT(client.say(command), StartsWith("501 5.5.4 Syntax: ")) << command;
    }
    static_cast<void>(client.say("RSET"));
    EXPECT_EQ(client.session.state().errors, 8U);
}

TEST(Commands, UnknownOnesAreErrors) {
    Client client(trusted());
    for (const char* line : {"", " NOOP", "XDAT 5 LAST", "EXPN list", "NOOPE", "\tQUIT"}) {
        EXPECT_EQ(client.say(line), "500 5.5.1 Unknown command\r\n") << line;
    }
    EXPECT_EQ(client.session.state().errors, 6U);
}

TEST(Commands, HaveTheirOrder) {
    Client client(trusted());
    for (const char* line :
         {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>", "DATA", "AUTH PLAIN", "STARTTLS"}) {
        EXPECT_EQ(client.say(line), "503 5.5.1 Say EHLO first\r\n") << line;
    }
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.say("RCPT TO:<b@example.org>"), "503 5.5.1 Say MAIL first\r\n");
    EXPECT_EQ(client.say("DATA"), "503 5.5.1 Say MAIL first\r\n");
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("250 2.1.0 "));
    EXPECT_EQ(client.say("MAIL FROM:<a@example.com>"), "503 5.5.1 Not within a mail transaction\r\n");
    EXPECT_EQ(client.say("AUTH PLAIN AGEAYg=="), "503 5.5.1 Not within a mail transaction\r\n");
}

TEST(Commands, RsetAndEhloForgetTheTransaction) {
    for (const char* command : {"RSET", "EHLO x", "HELO x"}) {
        Client client(trusted());
        static_cast<void>(client.say("EHLO x"));
        static_cast<void>(client.say("MAIL FROM:<a@example.com>"));
        static_cast<void>(client.say("RCPT TO:<b@example.org>"));
        EXPECT_THAT(client.say(command), StartsWith("250"));
        EXPECT_EQ(client.say("DATA"), "503 5.5.1 Say MAIL first\r\n") << command;
    }
}

TEST(Commands, VrfyTellsNothingAndHelpTheTable) {
    Client client(before_tls());
    EXPECT_THAT(client.say("VRFY postmaster"), StartsWith("252 2."));
    EXPECT_EQ(client.say("HELP"),
              "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY XCLIENT HELP QUIT\r\n");
    EXPECT_THAT(client.say("HELP MAIL"), StartsWith("214 2.0.0 "));
}

TEST(Commands, QuitIsTheEnd) {
    Client client(trusted());
    EXPECT_EQ(client.send("QUIT\r\nNOOP\r\n"), "221 2.0.0 mail.example.net closes the connection\r\n[Close]");
    EXPECT_EQ(client.say("NOOP"), "");
    EXPECT_EQ(text_of(client.session.give_up("4.4.2 Time-out")), "");
}

TEST(Commands, InAGroupAreAnsweredInTheirOrder) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(
        client.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<nobody>\r\nDATA\r\n"),
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n501 5.1.3 Bad recipient address syntax\r\n"
        "[MessageBegun <a@example.com> <b@example.org>]354 End data with <CR><LF>.<CR><LF>\r\n");
}

TEST(Addresses, AreJudgedElsewhere) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    Session& session = client.session;
    const auto given = [&session](std::string_view line) {
        return text_of(session.receive(std::string(line) + "\r\n"));
    };
    EXPECT_EQ(given("MAIL FROM:<a@example.com>"), "[SenderGiven a@example.com]");
    EXPECT_TRUE(session.waiting());
    EXPECT_EQ(given("RCPT TO:<b@example.org>"), "") << "until it is known";
    EXPECT_EQ(text_of(session.address_refused("530 5.7.0 Authentication required")),
              "530 5.7.0 Authentication required\r\n503 5.5.1 Say MAIL first\r\n");
    EXPECT_EQ(session.state().errors, 2U);
    EXPECT_EQ(given("MAIL FROM:<>"), "[SenderGiven ]");
    EXPECT_EQ(text_of(session.address_accepted()), "250 2.1.0 Sender ok\r\n");
    EXPECT_EQ(given("RCPT TO:<b@example.org>"), "[RecipientGiven b@example.org]");
    EXPECT_EQ(text_of(session.address_refused("450 4.2.1 Not now")), "450 4.2.1 Not now\r\n");
    EXPECT_EQ(session.state().errors, 2U) << "it may come again";
    EXPECT_EQ(given("DATA"), "554 5.5.1 No valid recipients\r\n");
    EXPECT_EQ(given("RCPT TO:<c@example.org>"), "[RecipientGiven c@example.org]");
    EXPECT_EQ(text_of(session.address_refused("nonsense\r\n250 Ok")),
              "451 4.3.0 Temporary failure, try again later\r\n");
    EXPECT_EQ(given("RCPT TO:<d@example.org>"), "[RecipientGiven d@example.org]");
    EXPECT_EQ(text_of(session.address_accepted()), "250 2.1.5 Recipient ok\r\n");
    EXPECT_THAT(given("DATA"), StartsWith("[MessageBegun <> <d@example.org>]354 "));
}

TEST(Addresses, NobodyWaitsForOneBehindTheEnd) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    static_cast<void>(client.session.receive("MAIL FROM:<a@example.com>\r\n"));
    EXPECT_EQ(text_of(client.session.give_up("4.3.2 Shutting down")), "421 4.3.2 Shutting down\r\n[Close]");
    EXPECT_EQ(text_of(client.session.address_accepted()), "");
    EXPECT_EQ(text_of(client.session.address_refused("530 5.7.0 Authentication required")), "");
}

TEST(StartTls, ForgetsEverythingBeforeIt) {
    Client client(before_tls());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.send("STARTTLS\r\nEHLO attacker.example.com\r\nMAIL FROM:<a@example.com>\r\nRC"),
              "220 2.0.0 Ready to start TLS\r\n[StartTls]");
    EXPECT_TRUE(client.session.waiting());
    EXPECT_EQ(client.send("RSET\r\n"), "");
    EXPECT_FALSE(client.session.state().tls);
    EXPECT_EQ(text_of(client.session.tls_started()), "");
    EXPECT_FALSE(client.session.waiting());
    EXPECT_TRUE(client.session.state().tls);
    EXPECT_EQ(client.session.state().helo, "");
    EXPECT_EQ(client.say("MAIL FROM:<a@example.com>"), "503 5.5.1 Say EHLO first\r\n");
    EXPECT_THAT(client.say("EHLO x"), HasSubstr("250-AUTH PLAIN LOGIN\r\n"));
    EXPECT_EQ(client.say("STARTTLS"), "503 5.5.1 TLS is active already\r\n");
}

TEST(StartTls, NeedsToBeOffered) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.say("STARTTLS"), "502 5.5.1 STARTTLS is not offered\r\n");
}

TEST(StartTls, ComesBeforeMailAndLogin) {
    Client client(before_tls());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.say("MAIL FROM:<a@example.com>"), "530 5.7.0 Must issue a STARTTLS command first\r\n");
    EXPECT_THAT(client.say("AUTH PLAIN AGEAYg=="), StartsWith("538 5.7.11 "));
}

// RFC 3207, 4: it comes between two messages. The one that has begun goes on.
TEST(StartTls, NotWithinATransaction) {
    Example settings = before_tls();
    settings.login_required = false;
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    for (const char* line : {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.org>"}) {
        EXPECT_THAT(client.say(line), StartsWith("250"));
        EXPECT_EQ(client.say("STARTTLS"), "503 5.5.1 Not within a mail transaction\r\n") << line;
        EXPECT_FALSE(client.session.waiting());
    }
    EXPECT_THAT(client.say("DATA"), StartsWith("[MessageBegun <a@example.com> <b@example.org>]354 "));
    EXPECT_EQ(client.send("STARTTLS\r\n.\r\n"), "[Body STARTTLS\r\n][MessageEnded]");
    static_cast<void>(client.session.message_kept("1"));
    EXPECT_EQ(client.say("STARTTLS"), "220 2.0.0 Ready to start TLS\r\n[StartTls]");
}

TEST(Errors, EndTheConnection) {
    Example settings = trusted();
    settings.errors = 3;
    Client client(settings);
    EXPECT_EQ(client.say("FOO"), "500 5.5.1 Unknown command\r\n");
    EXPECT_EQ(client.say("FOO"), "500 5.5.1 Unknown command\r\n");
    EXPECT_EQ(client.send("FOO\r\nNOOP\r\n"),
              "500 5.5.1 Unknown command\r\n421 4.7.0 Too many errors, closing the connection\r\n[Close]");
    EXPECT_EQ(client.say("NOOP"), "");
}

TEST(Errors, AreCommandsToNoEndToo) {
    Example settings = trusted();
    settings.errors = 2;
    Client client(settings);
    for (int i = 0; i < 101; i++) {
        ASSERT_EQ(client.say("NOOP"), "250 2.0.0 Ok\r\n") << i;
    }
    EXPECT_EQ(client.say("RSET"), "421 4.7.0 Too many errors, closing the connection\r\n[Close]");
}

TEST(Errors, AreForgivenForNothingButCommandsToNoEndForAMessage) {
    Example settings = trusted();
    settings.errors = 2;
    Client client(settings);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 90; i++) {
            ASSERT_EQ(client.say("NOOP"), "250 2.0.0 Ok\r\n");
        }
        client.begin_message();
        EXPECT_EQ(client.say("."), "[MessageEnded]");
        EXPECT_EQ(text_of(client.session.message_kept("1")), "250 2.0.0 Accepted as 1\r\n");
    }
    EXPECT_EQ(client.session.state().errors, 0U);
}

TEST(BadLines, AreOneErrorEach) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    const std::string bad = "500 5.5.2 NUL, bare CR or bare LF in a command line\r\n";
    EXPECT_EQ(client.say(std::string("NO\0OP", 5)), bad);
    EXPECT_EQ(client.say("NOOP\nRSET\nQUIT"), bad);
    EXPECT_EQ(client.say("NOOP\rQUIT"), bad);
    EXPECT_EQ(client.say("NOOP\r"), bad);
    EXPECT_EQ(client.say("\n"), bad);
    EXPECT_EQ(client.session.state().errors, 5U);
    EXPECT_EQ(client.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST(BadLines, OfOnlyLineFeedsNeverEnd) {
    Client client(trusted());
    EXPECT_EQ(client.send("EHLO x\nMAIL FROM:<a@example.com>\nQUIT\n"), "");
    EXPECT_THAT(client.send("\r\n"), StartsWith("500 5.5.2 "));
}

TEST(BadLines, TooLongAreReadToTheirEnd) {
    Client client(trusted());
    EXPECT_EQ(client.say("NOOP " + std::string(505, 'x')), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(client.say("NOOP " + std::string(506, 'x')), "500 5.5.2 Line too long\r\n");
    EXPECT_EQ(client.send(std::string(100'000, 'x')), "");
    EXPECT_EQ(client.send(" QUIT"), "");
    EXPECT_EQ(client.send("\r\nNOOP\r\n"), "500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
}

TEST(BadLines, MayBeLongerForMailAndAuth) {
    Example settings = inside_tls();
    settings.login_required = false;
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    const std::string mail = "MAIL FROM:<a@example.com> AUTH=";
    EXPECT_THAT(client.say(mail + std::string(1179 - mail.size(), 'x')), StartsWith("250 2.1.0 "));
    EXPECT_EQ(client.say(mail + std::string(1180 - mail.size(), 'x')), "500 5.5.2 Line too long\r\n");
    const std::string rcpt = "RCPT TO:<a@example.com> ORCPT=";
    EXPECT_THAT(client.say(rcpt + std::string(1046 - rcpt.size(), 'x')), StartsWith("501 5.5.4"));
    EXPECT_EQ(client.say(rcpt + std::string(1047 - rcpt.size(), 'x')), "500 5.5.2 Line too long\r\n");
    EXPECT_THAT(client.say("DATA " + std::string(508, 'x')), StartsWith("500 5.5.2"));
    static_cast<void>(client.say("RSET"));
    EXPECT_EQ(client.say("AUTH PLAIN " + std::string(12'788, 'x')),
              "500 5.5.6 Authentication exchange line is too long\r\n");
    EXPECT_THAT(client.say("AUTH PLAIN " + std::string(12'784, 'x')), StartsWith("[Authenticate PLAIN xx"));
}

TEST(BadLines, WithoutAnEndAreNotWaitedFor) {
    Client client(trusted());
    EXPECT_EQ(client.send(std::string(1 << 20, 'x')), "");
    EXPECT_EQ(client.send("x"), "421 4.7.0 This line has no end\r\n[Close]");
    EXPECT_EQ(Client(trusted()).say(std::string(1 << 20, 'x')), "421 4.7.0 This line has no end\r\n[Close]");
}

TEST(OtherProtocols, AreHungUpOn) {
    for (const char* line : {"GET / HTTP/1.1", "POST /mail HTTP/1.1", "connect mx.example.com:25 HTTP/1.0",
                             "Received: from mx.example.com", "Subject: x", "X-Y:z"}) {
        EXPECT_EQ(Client(trusted()).send(std::string(line) + "\r\nEHLO x\r\n"),
                  "421 4.7.0 This is an SMTP server, closing the connection\r\n[Close]")
            << line;
    }
}

TEST(GivingUp, SaysWhyAndCloses) {
    EXPECT_EQ(text_of(Client(trusted()).session.give_up("4.4.2 Time-out")), "421 4.4.2 Time-out\r\n[Close]");
    EXPECT_EQ(text_of(Client(trusted()).session.give_up("Shutting\r\ndown")),
              "421 4.3.2 Shutting??down\r\n[Close]");
}

TEST(Answers, ThatNobodyAskedForAreBugs) {
    Client client(trusted());
    EXPECT_THROW(static_cast<void>(client.session.tls_started()), std::logic_error);
    EXPECT_THROW(static_cast<void>(client.session.auth_continued("")), std::logic_error);
    EXPECT_THROW(static_cast<void>(client.session.auth_succeeded("a")), std::logic_error);
    EXPECT_THROW(static_cast<void>(client.session.auth_failed(AuthFailure::wrong)), std::logic_error);
    EXPECT_THROW(static_cast<void>(client.session.message_kept("1")), std::logic_error);
    EXPECT_THROW(static_cast<void>(client.session.message_refused("451 4.3.0 x")), std::logic_error);
}

TEST(Answers, AfterTheEndDoNothing) {
    Client client(before_tls());
    static_cast<void>(client.say("QUIT"));
    EXPECT_EQ(text_of(client.session.tls_started()), "");
    EXPECT_EQ(text_of(client.session.auth_succeeded("a")), "");
    EXPECT_EQ(text_of(client.session.message_kept("1")), "");
    EXPECT_EQ(text_of(client.session.message_refused("451 4.3.0 x")), "");
    EXPECT_EQ(client.session.state().messages, 0U);
    EXPECT_EQ(client.session.state().user, "");
}

}  // namespace
}  // namespace sekisho::session
