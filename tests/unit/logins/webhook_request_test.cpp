// SPDX-License-Identifier: Apache-2.0
// What Stalwart's webhook says, and which of it are logins.
#include "agent/logins/webhook_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "agent/base/time_text.h"
#include "agent/logins/recent_logins.h"
#include "agent/logins/webhook_signature.h"
#include "tests/unit/logins/stalwart_bodies.h"

namespace sekisho::logins {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

WebhookRequest delivery(std::string_view body) {
    auto request = parse_webhook_request(body);
    EXPECT_TRUE(request) << request.error().what << ": " << body.substr(0, 300);
    return request.value_or(WebhookRequest{});
}

// The only login of a body; one without a user if it isn't one.
WebhookLogin only(std::string_view body) {
    const WebhookRequest request = delivery(body);
    EXPECT_EQ(request.logins.size(), 1U) << body.substr(0, 300);
    EXPECT_THAT(request.unusable, IsEmpty());
    return request.logins.empty() ? WebhookLogin{} : request.logins.front();
}

WebhookLogin only_event(std::string_view data) {
    return only(stalwart_body(stalwart_event("auth.success", data)));
}

// Why the only event of a body grants nothing, though it is a login.
std::string unusable(std::string_view event) {
    const WebhookRequest request = delivery(stalwart_body(event));
    EXPECT_THAT(request.logins, IsEmpty()) << event;
    EXPECT_EQ(request.unusable.size(), 1U) << event;
    return request.unusable.empty() ? "" : request.unusable.front();
}

std::string unreadable(std::string_view body) {
    const auto request = parse_webhook_request(body);
    EXPECT_FALSE(request) << body.substr(0, 300);
    return request ? std::string() : request.error().what;
}

TEST(WebhookRequest, OfStalwart16) {
    const WebhookLogin seen = only_event(stalwart_imap);
    EXPECT_EQ(rfc3339(seen.when), "2026-08-21T17:29:02Z");
    EXPECT_EQ(seen.user, "alice@example.net");
    EXPECT_EQ(seen.address, parse_address("192.0.2.10").value());
    EXPECT_EQ(seen.port, 50123);
    EXPECT_EQ(seen.protocol, "imap");
    EXPECT_TRUE(seen.tls);
}

TEST(WebhookRequest, OfStalwart10) {
    const WebhookLogin seen = only(stalwart_0_10);
    EXPECT_EQ(rfc3339(seen.when), "2024-08-20T10:07:52Z");
    EXPECT_EQ(seen.user, "alice");
    EXPECT_EQ(seen.address, parse_address("2001:db8:100::10").value());
    EXPECT_EQ(seen.port, 40000);
    EXPECT_EQ(seen.protocol, "pop3");
    EXPECT_TRUE(seen.tls);
}

TEST(WebhookRequest, OfStalwart08) {
    const WebhookLogin seen = only(stalwart_0_8);
    EXPECT_EQ(seen.when.time_since_epoch() % std::chrono::seconds(1), std::chrono::nanoseconds(123456789));
    EXPECT_EQ(seen.user, "alice");
    EXPECT_EQ(seen.address, parse_address("192.0.2.10").value());
    EXPECT_EQ(seen.port, 0);
    EXPECT_EQ(seen.protocol, "managesieve");
    EXPECT_FALSE(seen.tls);
}

TEST(WebhookRequest, AWrongPasswordIsNoLogin) {
    const WebhookRequest request = delivery(stalwart_failures);
    EXPECT_THAT(request.logins, IsEmpty());
    EXPECT_THAT(request.unusable, IsEmpty());
}

TEST(WebhookRequest, OnlyTheVeryType) {
    for (const auto* type :
         {"auth.failed", "auth.too-many-attempts", "auth.error", "auth.mfa-required", "auth.success ",
          "AUTH.SUCCESS", "auth.success\\u0000", "auth.successful", "xauth.success", "auth", "",
          "security.authentication-ban", "imap.connection-start", "smtp.auth-success"}) {
        const WebhookRequest request = delivery(stalwart_body(stalwart_event(type, stalwart_imap)));
        EXPECT_THAT(request.logins, IsEmpty()) << type;
        EXPECT_THAT(request.unusable, IsEmpty()) << type;
    }
}

TEST(WebhookRequest, AnEventWithinAnotherIsNone) {
    const std::string seen = stalwart_event("auth.success", stalwart_imap);
    const std::string inner = R"("causedBy":)" + seen + R"(,"events":[)" + seen + "]";
    EXPECT_THAT(delivery(stalwart_body(stalwart_event("auth.error", inner))).logins, IsEmpty());
    EXPECT_THAT(delivery(R"({"events":[],"more":[)" + seen + "]}").logins, IsEmpty());
}

TEST(WebhookRequest, AUserCanNotNameAnAddress) {
    const WebhookLogin seen =
        only_event(R"("accountName":"x\",\"remoteIp\":\"192.0.2.99","remoteIp":"192.0.2.10","remotePort":1)");
    EXPECT_EQ(seen.user, R"(x","remoteIp":"192.0.2.99)");
    EXPECT_EQ(seen.address, parse_address("192.0.2.10").value());
}

TEST(WebhookRequest, AMappedAddressIsIpv4) {
    for (const auto* text : {"::ffff:192.0.2.10", "::ffff:c000:20a", "0:0:0:0:0:ffff:c000:20a"}) {
        EXPECT_EQ(
            only_event(R"("accountName":"alice","remoteIp":")" + std::string(text) + "\"").address.text(),
            "192.0.2.10");
    }
}

TEST(WebhookRequest, TheProtocolIsThatOfTheListener) {
    const auto protocol = [](const std::string& members) {
        return only_event(R"("accountName":"alice","remoteIp":"192.0.2.10")" + members).protocol;
    };
    EXPECT_EQ(protocol(""), "");
    EXPECT_EQ(protocol(R"(,"listenerId":"imap")"), "imap");
    EXPECT_EQ(protocol(R"(,"listenerId":"imaptls")"), "imap");
    EXPECT_EQ(protocol(R"(,"listenerId":"submissions","localPort":465)"), "smtp");
    EXPECT_EQ(protocol(R"(,"listenerId":"smtp","localPort":25)"), "smtp");
    EXPECT_EQ(protocol(R"(,"listenerId":"sieve")"), "managesieve");
    EXPECT_EQ(protocol(R"(,"listenerId":"https","localPort":443)"), "http");
    EXPECT_EQ(protocol(R"(,"listenerId":"for-customers","localPort":995)"), "pop3");
    EXPECT_EQ(protocol(R"(,"listenerId":"for-customers","localPort":4711)"), "");
    EXPECT_EQ(protocol(R"(,"listenerId":["imap"],"localPort":"993")"), "");
    EXPECT_EQ(protocol(R"(,"localPort":65679)"), "") << "143, and what a uint16_t doesn't hold";
    EXPECT_EQ(protocol(R"(,"localPort":-25)"), "");
}

TEST(WebhookRequest, WhatALoginMustSay) {
    const std::string data = R"("accountName":"alice","remoteIp":"192.0.2.10")";
    EXPECT_THAT(unusable(R"({"id":"1","createdAt":"2026-08-21T17:29:02Z","type":"auth.success"})"),
                HasSubstr("data"));
    EXPECT_THAT(unusable(R"({"createdAt":"2026-08-21T17:29:02Z","type":"auth.success","data":[1]})"),
                HasSubstr("data"));
    EXPECT_THAT(unusable(R"({"type":"auth.success","data":{)" + data + "}}"), HasSubstr("createdAt"));
    EXPECT_THAT(unusable(R"({"type":"auth.success","createdAt":1787333342,"data":{)" + data + "}}"),
                HasSubstr("createdAt"));
    for (const auto* members :
         {R"("remoteIp":"192.0.2.10")", R"("accountName":"","remoteIp":"192.0.2.10")",
          R"("accountName":null,"remoteIp":"192.0.2.10")", R"("accountName":7,"remoteIp":"192.0.2.10")",
          R"("accountName":["alice"],"remoteIp":"192.0.2.10")"}) {
        EXPECT_THAT(unusable(stalwart_event("auth.success", members)), HasSubstr("accountName"));
    }
    for (const auto* address : {"\"\"", "null", "3221225994", "[192,0,2,10]", "\"192.0.2.10:50123\"",
                                "\"[2001:db8::1]\"", "\"fe80::1%eth0\"", "\"192.0.2.10 \"", "\"0192.0.2.10\"",
                                R"("192.0.2.10\u0000")", "\"192.0.2.0/24\"", "\"localhost\""}) {
        EXPECT_THAT(unusable(stalwart_event("auth.success",
                                            R"("accountName":"alice","remoteIp":)" + std::string(address))),
                    HasSubstr("remoteIp"));
    }
    EXPECT_THAT(unusable(stalwart_event("auth.success", R"("accountName":"alice")")), HasSubstr("remoteIp"))
        << "of a connection that began before Stalwart had the webhook";
}

TEST(WebhookRequest, ATimeIsWholeAndHasAZone) {
    const auto at = [](std::string_view stamp) {
        return delivery(stalwart_body(stalwart_event("auth.success", stalwart_imap, stamp)));
    };
    EXPECT_EQ(at("2026-08-21T19:29:02+02:00").logins.at(0).when,
              at("2026-08-21T17:29:02Z").logins.at(0).when);
    EXPECT_EQ(at("2026-08-21T17:29:02.000Z").logins.at(0).when, at("2026-08-21T17:29:02Z").logins.at(0).when);
    for (const auto* stamp :
         {"", "now", "2026-08-21", "2026-08-21T17:29:02", "2026-08-21 17:29:02Z", "2026-08-21T17:29:02Z ",
          "2026-08-21T17:29:02ZZ", "2026-08-21T17:29:02.Z", "2026-08-21T17:29:02+2:00",
          "2026-08-21T17:29:02+0200", "2026-08-21T17:29:02+02:00Z", "2026-02-30T17:29:02Z",
          "2026-08-21T24:00:00Z", "9999-08-21T17:29:02Z", "2026-08-21T17:29:02+0a:00",
          "2026-08-21T17:29:02+24:00", "2026-08-21T17:29:02+02:60", "Aug 21 17:29:02",
          "-026-08-21T17:29:02Z"}) {
        EXPECT_THAT(at(stamp).logins, IsEmpty()) << stamp;
        EXPECT_EQ(at(stamp).unusable.size(), 1U) << stamp;
    }
}

TEST(WebhookRequest, NamesOfUsersAreBoundedAndOtherwiseFree) {
    const auto user = [](const std::string& name) {
        return R"("accountName":")" + name + R"(","remoteIp":"192.0.2.10")";
    };
    EXPECT_EQ(only_event(user(std::string(255, 'a'))).user.size(), 255U);
    EXPECT_THAT(unusable(stalwart_event("auth.success", user(std::string(256, 'a')))),
                HasSubstr("at most 255"));
    EXPECT_EQ(only_event(user("\\u001b[2J\\r\\nLOGIN_GRANTED \\u0000")).user,
              std::string("\x1b[2J\r\nLOGIN_GRANTED \0", 21));
    EXPECT_EQ(only_event(user("関所@例え.test")).user, "関所@例え.test");
}

TEST(WebhookRequest, ALoginThatLacksSomethingKeepsNobodyElseOut) {
    const WebhookRequest request = delivery(
        stalwart_body(stalwart_event("auth.success", stalwart_imap) + "," +
                      stalwart_event("auth.success", R"("accountName":"bob")") + ",17,null,[],{}," +
                      R"({"type":["auth.success"]},)" +
                      stalwart_event("auth.success", R"("accountName":"carol","remoteIp":"192.0.2.30")")));
    ASSERT_EQ(request.logins.size(), 2U);
    EXPECT_EQ(request.logins[1].user, "carol");
    EXPECT_EQ(request.unusable.size(), 1U);
}

TEST(WebhookRequest, WhatHasNoEventsIsAnError) {
    for (const auto* body : {"", " ", "null", "[]", "17", "{", "{\"events\":[}", "{\"events\":[]}x",
                             "{\"events\":[\"\xff\"]}", "{'events':[]}"}) {
        EXPECT_THAT(unreadable(body), HasSubstr("JSON")) << body;
    }
    for (const auto* body : {"{}", R"({"events":null})", R"({"events":{}})", R"({"events":"auth.success"})",
                             R"({"Events":[]})"}) {
        EXPECT_THAT(unreadable(body), HasSubstr("events")) << body;
    }
    EXPECT_THAT(delivery(R"({"events":[]})").logins, IsEmpty());
}

TEST(WebhookRequest, HasLimits) {
    std::string events;
    for (std::size_t i = 0; i < most_webhook_events; i++) {
        events += stalwart_event("auth.success", stalwart_imap) + ",";
    }
    EXPECT_LT(stalwart_body(events).size(), longest_webhook_body) << "so many there may really be";
    EXPECT_EQ(delivery(stalwart_body(events.substr(0, events.size() - 1))).logins.size(),
              most_webhook_events);
    EXPECT_THAT(unreadable(stalwart_body(events + "0")), HasSubstr("over 10000 events"));

    const std::string blanks(longest_webhook_body - 13, ' ');
    EXPECT_THAT(delivery(R"({"events":[]})" + blanks).logins, IsEmpty());
    EXPECT_THAT(unreadable(R"({"events":[]})" + blanks + " "), HasSubstr("over 4194304 bytes"));

    const auto nested = [](std::size_t depth) {
        return R"({"events":[)" + std::string(depth, '[') + std::string(depth, ']') + "]}";
    };
    EXPECT_THAT(delivery(nested(30)).logins, IsEmpty());
    EXPECT_THAT(unreadable(nested(31)), HasSubstr("JSON"));
    EXPECT_THAT(unreadable(R"({"events":)" + std::string(1'000'000, '[')), HasSubstr("JSON"));
}

TEST(WebhookSignature, IsThatOfTheStandard) {
    EXPECT_EQ(webhook_signature("Jefe", "what do ya want for nothing?"),
              "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=")
        << "RFC 4231, section 4.3";
    EXPECT_TRUE(
        is_signed("Jefe", "what do ya want for nothing?", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="));
}

TEST(WebhookSignature, NothingElseIsOne) {
    const std::string good = webhook_signature("key", "body");
    for (const std::string& wrong :
         {std::string(), good + "=", good + " ", " " + good, good.substr(0, good.size() - 1),
          "sha256=" + good, webhook_signature("Key", "body"), webhook_signature("key", "bodY"),
          webhook_signature("key", "body "), webhook_signature("", "body"), webhook_signature("key", ""),
          std::string("515aae133b435d4000956731f68ae5cf5eb85d4f0dc6a546d2bfcd3595ec1ae1")}) {
        EXPECT_FALSE(is_signed("key", "body", wrong)) << wrong;
    }
    EXPECT_TRUE(is_signed("key", "body", good));
}

TEST(RecentLogins, TheSameIsNewOnce) {
    RecentLogins recent;
    const WebhookLogin seen = only_event(stalwart_imap);
    EXPECT_TRUE(recent.is_new(seen));
    EXPECT_FALSE(recent.is_new(seen));
    WebhookLogin later = seen;
    later.when += std::chrono::seconds(1);
    WebhookLogin elsewhere = seen;
    elsewhere.port++;
    WebhookLogin neighbour = seen;
    neighbour.address.bytes[3]++;
    WebhookLogin other = seen;
    other.user += "x";
    for (const WebhookLogin& each : {later, elsewhere, neighbour, other}) {
        EXPECT_TRUE(recent.is_new(each)) << each.user << " " << each.address.text();
        EXPECT_FALSE(recent.is_new(each)) << each.user << " " << each.address.text();
    }
}

TEST(RecentLogins, TheOldestAreForgotten) {
    RecentLogins recent(3);
    WebhookLogin seen = only_event(stalwart_imap);
    for (std::uint16_t port = 1; port <= 4; port++) {
        seen.port = port;
        EXPECT_TRUE(recent.is_new(seen));
    }
    for (std::uint16_t port = 2; port <= 4; port++) {
        seen.port = port;
        EXPECT_FALSE(recent.is_new(seen)) << port;
    }
    seen.port = 1;
    EXPECT_TRUE(recent.is_new(seen));
}

}  // namespace
}  // namespace sekisho::logins
