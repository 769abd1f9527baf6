// SPDX-License-Identifier: Apache-2.0
// Whole conversations: cut anywhere they are the same, and a second reading agrees with them.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/unit/session/client.h"
#include "tests/unit/session/conversation.h"

namespace sekisho::session {
namespace {

void expect_sound(const Example& settings, const Flights& flights, const Outcome& outcome) {
    ASSERT_EQ(second_reading(settings, flights, outcome), "") << outcome.replies;
}

std::string story() {
    std::string text =
        "EHLO client.example.com\r\nMAIL FROM:<a@example.com> SIZE=10\r\nRCPT TO:<b@example.org>\r\n"
        "RCPT TO:<\"c d\"@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.a\r\nQUIT\r\n.\r\nNO\nOP\r\nMAIL "
        "FROM:<>\r\n"
        "RCPT TO:<b@example.org>\r\nDATA\r\na\n.\nQUIT\r\n.\nQUIT\r\n.\r\n" +
        std::string(600, 'x') +
        "\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    text +=
        "refuse\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nBDAT 9\r\nSubject: BDAT 0\r\nbdat 9 "
        "last\r\n";
    text += "x\r\n.\r\nQUIMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nBDAT 4\r\na\n.\nBDAT 6 LAST\r\nQUIT\r\n";
    text += "BDAT 6\r\nQUIT\r\nRSET\r\nNOOP\r\nQUIT\r\nNOOP\r\n";
    return text;
}

TEST(Cuts, OfOneStoryDontMatter) {
    Example settings = inside_tls();
    settings.login_required = false;
    const Flights flights = {story()};
    const Outcome expected = converse(settings, flights);
    EXPECT_EQ(
        codes_of(expected.replies),
        (std::vector{220, 250, 250, 250, 250, 354, 250, 500, 250, 250, 354, 554, 500, 334, 334, 235, 250,
                     250, 354, 452, 250, 250, 250, 250, 250, 250, 250, 554, 554, 503, 250, 250, 221}));
    expect_sound(settings, flights, expected);
    for (std::size_t cut = 1; cut < flights.front().size(); cut++) {
        bool first = true;
        const Outcome outcome = converse(settings, flights, [&first, cut](std::size_t left) {
            return std::exchange(first, false) ? cut : left;
        });
        ASSERT_EQ(difference(outcome, expected), "") << "cut at " << cut;
    }
    ASSERT_EQ(difference(converse(settings, flights, octet_by_octet), expected), "");
}

TEST(Cuts, OfTheFlightBeforeTheHandshakeDontMatter) {
    const Flights flights = {"EHLO x\r\nSTARTTLS\r\nEHLO evil.example\r\nAUTH PLAIN AGEAYg==\r\n",
                             "MAIL FROM:<>\r\nEHLO y\r\nAUTH PLAIN AGEAYg==\r\n",
                             "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"};
    const Outcome expected = converse(before_tls(), flights);
    EXPECT_EQ(codes_of(expected.replies),
              (std::vector{220, 250, 220, 503, 250, 235, 250, 250, 354, 250, 221}));
    expect_sound(before_tls(), flights, expected);
    EXPECT_EQ(difference(converse(before_tls(), flights, octet_by_octet), expected), "");
}

// Conversations of pieces that mean something, and of some that don't.
class Chatter {
public:
    explicit Chatter(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
    }

    Flights flights() {
        Flights all(1 + below(4));
        for (std::string& flight : all) {
            for (std::size_t i = below(20); i > 0; i--) {
                flight += piece();
            }
        }
        return all;
    }

    Example settings() {
        Example settings = example_settings();
        settings.tls_active = below(2) == 0;
        settings.tls_offered = below(2) == 0;
        settings.login_required = below(3) == 0;
        settings.largest_message = below(2) == 0 ? 30 : 100'000;
        settings.recipients = 1 + below(3);
        settings.errors = 1 + below(12);
        settings.full = below(3) == 0;
        settings.dsn = below(3) != 0;
        settings.xclient = below(3) == 0;
        if (below(3) == 0) {
            settings.clear_mechanisms = {"CRAM-MD5", "LOGIN"};
        }
        return settings;
    }

private:
    std::string piece() {
        static constexpr std::array<std::string_view, 62> pieces = {
            "EHLO x\r\n",
            "EHLO x\r\n",
            "HELO x\r\n",
            "MAIL FROM:<a@example.com>\r\n",
            "MAIL FROM:<> SIZE=29\r\n",
            "MAIL FROM:<a@example.com> BODY=8BITMIME\r\n",
            "MAIL FROM:<a@\xff>\r\n",
            "MAIL FROM:<a@example.com> RET=HDRS ENVID=a+2Bb\r\n",
            "RCPT TO:<b@example.org> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;c\r\n",
            "RCPT TO:<b@example.org>\r\n",
            "RCPT TO:<b@example.org>\r\n",
            "RCPT TO:<c>\r\n",
            "RCPT TO:<refuse@example.org>\r\n",
            "RCPT TO:<later@example.org>\r\n",
            "XCLIENT ADDR=192.0.2.9 LOGIN=anna\r\n",
            "XCLIENT ADDR=x\r\n",
            "AUTH CRAM-MD5\r\n",
            "DATA\r\n",
            "DATA\r\n",
            "DATA\r\n",
            "DATA x\r\n",
            "BDAT 3\r\nabc",
            "BDAT 5\r\nab\r\n.",
            "BDAT 1\r\n\r",
            "BDAT 3 LAST\r\n\n.\r",
            "BDAT 8 LAST\r\nrefuse\r\n",
            "BDAT 6 LAST\r\n",
            "bdat 0 last\r\n",
            "BDAT 4 X\r\nNOOP",
            "RSET\r\n",
            "NOOP\r\n",
            "VRFY a\r\n",
            "HELP\r\n",
            "QUIT\r\n",
            "STARTTLS\r\n",
            "AUTH PLAIN\r\n",
            "AUTH LOGIN\r\n",
            "AUTH PLAIN AGEAYg==\r\n",
            "AUTH PLAIN AGEAdA==\r\n",
            "AUTH LOGIN =\r\n",
            "YQ==\r\n",
            "Yg==\r\n",
            "*\r\n",
            "refuse\r\n",
            "Subject: x\r\n",
            ".\r\n",
            ".\r\n",
            ".\r\n",
            "\r\n",
            "\r\n.\r\n",
            "..\r\n",
            ".a\r\n",
            "\n",
            "\r",
            "\n.\n",
            "\r.\r",
            "\n.\r\n",
            ".\n",
            "\r\n.\r",
            "x",
            "FOO\r\n",
            ""};
        switch (below(64)) {
            case 0:
                return {'\0'};
            case 1:
                return std::string(990 + below(20), 'x') + "\r\n";
            case 2:
                return "MAIL FROM:<a@example.com> AUTH=" + std::string(1015 + below(15), 'x') + "\r\n";
            case 3:
                return "EHLO x\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\n";
            case 4:
                return "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n";
            case 5:
            case 6:
            case 7:
                return "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
            case 8:
            case 9:
                return "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nBDAT 4\r\na\r\n.";
            case 10:
                return "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nBDAT 7 LAST\r\n\r\n.\r\nxy";
            case 11:
                return "BDAT x\r\n";
            default:
                return std::string(pieces.at(below(pieces.size())));
        }
    }

    std::mt19937 random_;
};

TEST(Cuts, OfChatterDontMatter) {
    std::size_t kept = 0;
    std::size_t aborted = 0;
    std::size_t logins = 0;
    std::size_t named = 0;
    std::size_t refused = 0;
    for (unsigned seed = 0; seed < 20'000; seed++) {
        Chatter chatter(seed);
        const Example settings = chatter.settings();
        const Flights flights = chatter.flights();
        const Outcome expected = converse(settings, flights);
        expect_sound(settings, flights, expected);
        if (HasFatalFailure()) {
            FAIL() << "seed " << seed;
        }
        ASSERT_EQ(difference(converse(settings, flights, octet_by_octet), expected), "") << "seed " << seed;
        const auto random_cut = [&chatter](std::size_t left) { return 1 + chatter.below(left); };
        ASSERT_EQ(difference(converse(settings, flights, random_cut), expected), "") << "seed " << seed;
        kept += expected.state.messages;
        logins += expected.state.user.empty() ? 0 : 1;
        named +=
            std::ranges::find(expected.others, "ClientNamed 192.0.2.9 anna") == expected.others.end() ? 0 : 1;
        refused += settings.full && expected.replies.find(no_room) != std::string::npos ? 1 : 0;
        for (const Message& message : expected.messages) {
            aborted += message.end == Message::End::aborted ? 1 : 0;
        }
    }
    // The chatter reaches what it is for.
    EXPECT_GT(kept, 500U);
    EXPECT_GT(aborted, 500U);
    EXPECT_GT(logins, 500U);
    EXPECT_GT(named, 100U);
    EXPECT_GT(refused, 100U);
}

}  // namespace
}  // namespace sekisho::session
