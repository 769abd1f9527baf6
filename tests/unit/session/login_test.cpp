// SPDX-License-Identifier: Apache-2.0
// AUTH: what is passed on, what is refused, and what a login is needed for.
#include <gmock/gmock.h>

#include "tests/unit/session/client.h"

namespace sekisho::session {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class LoginTest : public testing::Test {
protected:
    LoginTest() { static_cast<void>(client_.say("EHLO client.example.com")); }

    Session& session() { return client_.session; }

    Client client_{inside_tls()};
};

TEST_F(LoginTest, WithInitialResponse) {
    EXPECT_EQ(client_.say("auth plain AGEAYg=="), "[Authenticate PLAIN AGEAYg==]");
    EXPECT_TRUE(session().waiting());
    EXPECT_EQ(text_of(session().auth_succeeded("a")), "235 2.7.0 Authentication successful\r\n");
    EXPECT_EQ(session().state().user, "a");
    EXPECT_THAT(client_.say("MAIL FROM:<a@example.com>"), StartsWith("250 2.1.0 "));
}

TEST_F(LoginTest, WithEmptyInitialResponse) {
    EXPECT_EQ(client_.say("AUTH PLAIN ="), "[Authenticate PLAIN ]");
}

// RFC 4954, 4: "If the client uses an initial-response argument ... with a SASL mechanism in which the client
// does not send the first message ..., the server MUST reject the AUTH command with a 501 reply".
TEST_F(LoginTest, TheServerSpeaksFirstInSomeMechanisms) {
    Example settings = inside_tls();
    settings.mechanisms = {"CRAM-MD5", "DIGEST-MD5", "LOGIN"};
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    for (const char* command : {"AUTH CRAM-MD5 dGVzdA==", "AUTH cram-md5 =", "AUTH DIGEST-MD5 dGVzdA=="}) {
        EXPECT_EQ(client.say(command), "501 5.5.4 The server speaks first in this mechanism\r\n") << command;
    }
    EXPECT_EQ(client.say("AUTH CRAM-MD5"), "[Authenticate CRAM-MD5 -]");
}

TEST_F(LoginTest, WithChallenges) {
    EXPECT_EQ(client_.say("AUTH LOGIN"), "[Authenticate LOGIN -]");
    EXPECT_EQ(text_of(session().auth_continued("VXNlcm5hbWU6")), "334 VXNlcm5hbWU6\r\n");
    EXPECT_FALSE(session().waiting());
    EXPECT_EQ(client_.say("YQ=="), "[AuthResponse YQ==]");
    EXPECT_EQ(text_of(session().auth_continued("")), "334 \r\n");
    EXPECT_EQ(client_.say(""), "[AuthResponse ]");
    EXPECT_EQ(text_of(session().auth_succeeded("a")), "235 2.7.0 Authentication successful\r\n");
}

TEST_F(LoginTest, WhatComesEarlyWaits) {
    EXPECT_EQ(client_.send("AUTH LOGIN\r\nYQ==\r\nYg"), "[Authenticate LOGIN -]");
    EXPECT_EQ(client_.send("==\r\nNOOP\r\n"), "");
    EXPECT_EQ(text_of(session().auth_continued("VXNlcm5hbWU6")), "334 VXNlcm5hbWU6\r\n[AuthResponse YQ==]");
    EXPECT_EQ(text_of(session().auth_continued("UGFzc3dvcmQ6")), "334 UGFzc3dvcmQ6\r\n[AuthResponse Yg==]");
    EXPECT_EQ(text_of(session().auth_succeeded("a")),
              "235 2.7.0 Authentication successful\r\n250 2.0.0 Ok\r\n");
}

TEST_F(LoginTest, WrongCountsTwiceAndEndsAfterThree) {
    for (std::size_t i = 1; i <= 2; i++) {
        static_cast<void>(client_.say("AUTH PLAIN AGEAYg=="));
        EXPECT_EQ(text_of(session().auth_failed(AuthFailure::wrong)),
                  "535 5.7.8 Authentication credentials invalid\r\n");
        EXPECT_EQ(session().state().failed_logins, i);
        EXPECT_EQ(session().state().errors, 2 * i);
    }
    static_cast<void>(client_.say("AUTH PLAIN AGEAYg=="));
    EXPECT_EQ(text_of(session().auth_failed(AuthFailure::wrong)),
              "535 5.7.8 Authentication credentials invalid\r\n"
              "421 4.7.0 Too many failed logins, closing the connection\r\n[Close]");
}

TEST_F(LoginTest, TemporaryFailuresCostNothing) {
    for (int i = 0; i < 20; i++) {
        static_cast<void>(client_.say("AUTH PLAIN AGEAYg=="));
        EXPECT_EQ(text_of(session().auth_failed(AuthFailure::temporary)),
                  "454 4.7.0 Temporary authentication failure\r\n");
    }
    EXPECT_EQ(session().state().errors, 0U);
    EXPECT_EQ(session().state().failed_logins, 0U);
}

TEST_F(LoginTest, IsNeededForMail) {
    EXPECT_EQ(client_.say("MAIL FROM:<a@example.com>"), "530 5.7.0 Authentication required\r\n");
    EXPECT_EQ(client_.say("RCPT TO:<b@example.com>"), "503 5.5.1 Say MAIL first\r\n");
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST_F(LoginTest, IsNotNeededInANetworkOfTrustButPossible) {
    Example settings = inside_tls();
    settings.login_required = false;
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("250 2.1.0 "));
    static_cast<void>(client.say("RSET"));
    EXPECT_EQ(client.say("AUTH PLAIN AGEAYg=="), "[Authenticate PLAIN AGEAYg==]");
}

TEST_F(LoginTest, HappensOnce) {
    client_.log_in();
    EXPECT_EQ(client_.say("AUTH PLAIN AGEAYg=="), "503 5.5.1 You are logged in already\r\n");
    EXPECT_THAT(client_.say("EHLO x"), StartsWith("250-"));
    EXPECT_EQ(session().state().user, "a");
}

TEST_F(LoginTest, NotWithinATransaction) {
    client_.log_in();
    static_cast<void>(client_.say("MAIL FROM:<a@example.com>"));
    EXPECT_EQ(client_.say("AUTH PLAIN AGEAYg=="), "503 5.5.1 Not within a mail transaction\r\n");
}

TEST_F(LoginTest, UnknownMechanismAndBadInitialResponse) {
    EXPECT_EQ(client_.say("AUTH CRAM-MD5"), "504 5.5.4 Unrecognized authentication type\r\n");
    EXPECT_EQ(client_.say("AUTH =PLAIN"), "504 5.5.4 Unrecognized authentication type\r\n");
    for (const char* initial :
         {"A", "AA", "AAA", "A===", "AA=A", "AAAAA", "AA A", "AAA\xc3", "*", "==", "===="}) {
        Client client(inside_tls());
        static_cast<void>(client.say("EHLO x"));
        EXPECT_EQ(client.say("AUTH PLAIN " + std::string(initial)),
                  "501 5.5.2 Cannot decode the response\r\n")
            << initial;
        EXPECT_EQ(client.session.state().errors, 1U);
    }
}

TEST_F(LoginTest, NeedsTls) {
    Client client(trusted());
    static_cast<void>(client.say("EHLO x"));
    EXPECT_THAT(client.say("AUTH PLAIN AGEAYg=="), StartsWith("538 5.7.11 "));
}

TEST_F(LoginTest, OutsideOfTlsByWhatIsOfferedThere) {
    Example settings;
    settings.tls_offered = true;
    settings.clear_mechanisms = {"CRAM-MD5"};
    Client client(settings);
    EXPECT_THAT(client.say("EHLO x"), HasSubstr("\r\n250-AUTH CRAM-MD5\r\n"));
    EXPECT_THAT(client.say("AUTH PLAIN AGEAYg=="), StartsWith("538 5.7.11 "));
    EXPECT_THAT(client.say("AUTH X"), StartsWith("504 5.5.4 "));
    EXPECT_EQ(client.say("AUTH cram-md5"), "[Authenticate CRAM-MD5 -]");
    EXPECT_THAT(text_of(client.session.auth_succeeded("a")), StartsWith("235 "));
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("250 2.1.0 "));
    static_cast<void>(client.say("RSET"));
    EXPECT_THAT(client.say("STARTTLS"), HasSubstr("[StartTls]"));
    static_cast<void>(client.session.tls_started());
    EXPECT_EQ(client.session.state().user, "") << "what was said in the clear is forgotten";
    EXPECT_THAT(client.say("EHLO x"), HasSubstr("\r\n250-AUTH PLAIN LOGIN\r\n"));
    EXPECT_THAT(client.say("AUTH CRAM-MD5"), StartsWith("504 5.5.4 "));
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("530 5.7.0 "));
}

TEST_F(LoginTest, WhatIsOfferedMayDependOnTheHandshake) {
    Example settings;
    settings.tls_offered = true;
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    static_cast<void>(client.say("STARTTLS"));
    client.session.offer({"EXTERNAL", "PLAIN"});
    static_cast<void>(client.session.tls_started());
    EXPECT_THAT(client.say("EHLO x"), HasSubstr("\r\n250-AUTH EXTERNAL PLAIN\r\n"));
    EXPECT_EQ(client.say("AUTH EXTERNAL ="), "[Authenticate EXTERNAL ]");
}

TEST_F(LoginTest, NeedsToBeOffered) {
    Example settings = inside_tls();
    settings.mechanisms.clear();
    Client client(settings);
    static_cast<void>(client.say("EHLO x"));
    EXPECT_EQ(client.say("AUTH PLAIN AGEAYg=="), "502 5.5.1 AUTH is not offered\r\n");
}

class ResponseTest : public LoginTest {
protected:
    ResponseTest() {
        static_cast<void>(client_.say("AUTH PLAIN"));
        static_cast<void>(session().auth_continued(""));
    }
};

TEST_F(ResponseTest, Cancelled) {
    EXPECT_EQ(client_.say("*"), "[AuthCancelled]501 5.7.0 Authentication cancelled\r\n");
    EXPECT_FALSE(session().waiting());
    EXPECT_EQ(session().state().failed_logins, 0U);
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST_F(ResponseTest, NoBase64) {
    EXPECT_EQ(client_.say("QUIT."), "[AuthCancelled]501 5.5.2 Cannot decode the response\r\n");
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST_F(ResponseTest, ThatLooksLikeACommandIsNone) {
    EXPECT_EQ(client_.say("QUIT"), "[AuthResponse QUIT]");
}

TEST_F(ResponseTest, WithNul) {
    EXPECT_EQ(client_.say(std::string("AA\0A", 4)),
              "[AuthCancelled]501 5.5.2 Cannot decode the response\r\n");
}

TEST_F(ResponseTest, Long) {
    const std::string longest(12'288, 'A');
    EXPECT_EQ(client_.say(longest), "[AuthResponse " + longest + "]");
}

TEST_F(ResponseTest, TooLong) {
    EXPECT_EQ(client_.say(std::string(12'289, 'A')),
              "[AuthCancelled]500 5.5.6 Authentication exchange line is too long\r\n");
    EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
}

TEST_F(ResponseTest, TooLongWithTheCommand) {
    static_cast<void>(client_.say("*"));
    const std::string command = "AUTH PLAIN ";
    const std::string longest = std::string(12'784, 'A');  // base64 comes by four, and a line has CRLF
    EXPECT_EQ(client_.say(command + longest), "[Authenticate PLAIN " + longest + "]");
    EXPECT_EQ(text_of(session().auth_failed(AuthFailure::wrong)),
              "535 5.7.8 Authentication credentials invalid\r\n");
    for (const std::string& line : {command + longest + "AAAA", "auth LOGIN " + std::string(20'000, 'A')}) {
        EXPECT_EQ(client_.say(line), "500 5.5.6 Authentication exchange line is too long\r\n");
        EXPECT_EQ(client_.say("NOOP"), "250 2.0.0 Ok\r\n");
    }
    EXPECT_EQ(client_.say("NOOP " + std::string(12'800, 'A')), "500 5.5.2 Line too long\r\n");
    EXPECT_EQ(session().state().failed_logins, 1U);
}

// Who begins anew in the middle hasn't read the challenge: the first login is over, and the next one is
// whole.
TEST_F(ResponseTest, Restarted) {
    EXPECT_EQ(client_.say("AUTH LOGIN"), "[AuthCancelled]501 5.5.2 Cannot decode the response\r\n");
    EXPECT_FALSE(session().waiting());
    EXPECT_EQ(client_.say("*"), "500 5.5.1 Unknown command\r\n") << "there is nothing to cancel";
    EXPECT_EQ(session().state().failed_logins, 0U);
    EXPECT_EQ(session().state().errors, 2U);
    EXPECT_EQ(client_.say("AUTH LOGIN"), "[Authenticate LOGIN -]");
    EXPECT_EQ(text_of(session().auth_continued("VXNlcm5hbWU6")), "334 VXNlcm5hbWU6\r\n");
    EXPECT_EQ(client_.say("*"), "[AuthCancelled]501 5.7.0 Authentication cancelled\r\n");
    EXPECT_EQ(client_.say("AUTH PLAIN AGEAYg=="), "[Authenticate PLAIN AGEAYg==]");
    EXPECT_EQ(text_of(session().auth_succeeded("a")), "235 2.7.0 Authentication successful\r\n");
    EXPECT_EQ(session().state().user, "a");
}

TEST_F(ResponseTest, Endless) {
    const std::size_t before = octets_in_use();
    const std::string piece(1 << 16, 'A');
    for (int i = 0; i < 16; i++) {
        ASSERT_EQ(client_.send(piece), "");
        EXPECT_LT(octets_in_use(), before + (1 << 18)) << "it isn't kept";
    }
    EXPECT_EQ(client_.send("A"), "[AuthCancelled]421 4.7.0 This line has no end\r\n[Close]");
    EXPECT_EQ(client_.say("AUTH PLAIN AGEAYg=="), "");
    EXPECT_EQ(text_of(session().auth_succeeded("a")), "") << "which nobody asked for any more";
    EXPECT_EQ(session().state().user, "");
}

TEST_F(ResponseTest, ThatNeverComes) {
    EXPECT_EQ(text_of(session().give_up("4.4.2 Time-out")), "[AuthCancelled]421 4.4.2 Time-out\r\n[Close]");
}

TEST_F(ResponseTest, OfAChallengeWithALineEnd) {
    static_cast<void>(client_.say("AAAA"));
    EXPECT_EQ(text_of(session().auth_continued("AA\r\n250 AA")), "334 AA??250 AA\r\n");
}

}  // namespace
}  // namespace sekisho::session
