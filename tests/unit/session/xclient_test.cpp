// SPDX-License-Identifier: Apache-2.0
// Who a host of trust speaks for.
#include "smtpd/session/xclient.h"

#include <gmock/gmock.h>

#include "tests/unit/session/client.h"

namespace sekisho::session {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// "192.0.2.1 49152 198.51.100.1 25 anna", with a dash for what isn't said; "wrong".
std::string meaning(std::string_view attributes) {
    const auto client = read_xclient(attributes);
    if (!client) {
        return "wrong";
    }
    const auto port = [](const std::optional<std::uint16_t>& one) {
        return one ? std::to_string(*one) : "-";
    };
    return client->address.text() + " " + port(client->port) + " " +
           (client->server ? client->server->text() : "-") + " " + port(client->server_port) + " " +
           (client->user.empty() ? "-" : client->user);
}

TEST(Xclient, Attributes) {
    EXPECT_EQ(meaning("ADDR=192.0.2.1"), "192.0.2.1 - - - -");
    EXPECT_EQ(meaning("addr=IPv6:2001:db8::1 port=49152"), "2001:db8::1 49152 - - -");
    EXPECT_EQ(meaning("NAME=client.example.com ADDR=192.0.2.1  PROTO=ESMTP HELO=x LOGIN=anna"),
              "192.0.2.1 - - - anna");
    EXPECT_EQ(meaning("DESTADDR=198.51.100.1 DESTPORT=25 ADDR=192.0.2.1"), "192.0.2.1 - 198.51.100.1 25 -");
    EXPECT_EQ(meaning("ADDR=192.0.2.1 LOGIN=an+2Bna+40example.net"), "192.0.2.1 - - - an+na@example.net")
        << "xtext";
    EXPECT_EQ(meaning("ADDR=192.0.2.1 LOGIN=anna LOGIN=bob"), "192.0.2.1 - - - bob");
}

TEST(Xclient, WhatIsNotKnownThere) {
    EXPECT_EQ(meaning("NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=[tempunavail] DESTADDR=[UNAVAILABLE] "
                      "LOGIN=[UNAVAILABLE]"),
              "192.0.2.1 - - - -");
}

TEST(Xclient, WhatCanNotBeRead) {
    for (const char* attributes : {"ADDR",
                                   "ADDR=",
                                   "=x",
                                   "ADDR=x",
                                   "ADDR=2001:db8::1",
                                   "ADDR=IPV6:192.0.2.1",
                                   "ADDR=192.0.2.1/24",
                                   "PORT=65536",
                                   "PORT=-1",
                                   "PORT=1x",
                                   "PORT=",
                                   "LOGIN=",
                                   "LOGIN=a+0Ab",
                                   "LOGIN=a+00",
                                   "LOGIN=a+7Fb",
                                   "LOGIN=+4",
                                   "LOGIN=a=b",
                                   "LOGIN=+FF",
                                   "REVERSE=x",
                                   "x",
                                   "FOO=[UNAVAILABLE]"}) {
        EXPECT_EQ(meaning("ADDR=192.0.2.1 " + std::string(attributes)), "wrong") << attributes;
    }
    EXPECT_EQ(meaning("ADDR=192.0.2.1 LOGIN=" + std::string(256, 'a')), "wrong");
    EXPECT_NE(meaning("ADDR=192.0.2.1 LOGIN=" + std::string(255, 'a')), "wrong");
}

// Else the rights of the host itself would be the client's.
TEST(Xclient, WhoHasNoAddressIsNobody) {
    for (const char* attributes :
         {"LOGIN=anna", "ADDR=[UNAVAILABLE]", "ADDR=[TEMPUNAVAIL] LOGIN=anna", "PORT=25"}) {
        EXPECT_EQ(meaning(attributes), "wrong") << attributes;
    }
}

Example speaker() {
    Example settings = before_tls();
    settings.xclient = true;
    return settings;
}

TEST(XclientCommand, IsOfferedToThoseOfTrustOnly) {
    EXPECT_THAT(Client(speaker()).say("EHLO x"),
                HasSubstr("250-XCLIENT ADDR PORT LOGIN DESTADDR DESTPORT\r\n"));
    Client stranger(before_tls());
    EXPECT_THAT(stranger.say("EHLO x"), Not(HasSubstr("XCLIENT")));
    EXPECT_EQ(stranger.say("XCLIENT ADDR=192.0.2.1"), "550 5.7.0 You speak for yourself here\r\n");
}

TEST(XclientCommand, EndsTheSessionAndWhatStandsBehindIt) {
    Client client(speaker());
    EXPECT_EQ(client.send("XCLIENT ADDR=192.0.2.9 LOGIN=anna\r\nEHLO x\r\n"), "[ClientNamed 192.0.2.9 anna]");
    EXPECT_EQ(client.say("NOOP"), "");
}

TEST(XclientCommand, NotInATransactionNorWithoutSense) {
    Example settings = speaker();
    settings.login_required = false;
    Client client(settings);
    EXPECT_EQ(client.say("XCLIENT"), "501 5.5.4 Syntax: XCLIENT attribute=value\r\n");
    EXPECT_EQ(client.say("XCLIENT ADDR=x"), "501 5.5.4 Bad attribute\r\n");
    static_cast<void>(client.say("EHLO x"));
    static_cast<void>(client.say("MAIL FROM:<a@example.com>"));
    EXPECT_THAT(client.say("XCLIENT ADDR=192.0.2.1"), StartsWith("503 5.5.1"));
}

TEST(XclientCommand, WhoHasLoggedInThereNeedsNotHere) {
    Example settings = inside_tls();
    settings.user = "anna";
    Client client(settings);
    EXPECT_EQ(client.session.state().user, "anna");
    static_cast<void>(client.say("EHLO x"));
    EXPECT_THAT(client.say("MAIL FROM:<a@example.com>"), StartsWith("250"));
}

}  // namespace
}  // namespace sekisho::session
