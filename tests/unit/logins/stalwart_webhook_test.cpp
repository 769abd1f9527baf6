// SPDX-License-Identifier: Apache-2.0
// The listener, spoken to over loopback.
#include "agent/logins/stalwart_webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "agent/base/time_text.h"
#include "agent/logins/webhook_signature.h"
#include "tests/unit/logins/http_listener.h"
#include "tests/unit/logins/stalwart_bodies.h"

namespace sekisho::logins {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string alice_body = stalwart_body(stalwart_event("auth.success", stalwart_imap));

// A login by this listener of the mail server.
std::string login_by(std::string_view listener, int port) {
    return stalwart_event("auth.success", R"("accountName":"alice","remoteIp":"192.0.2.10","listenerId":")" +
                                              std::string(listener) + R"(","remotePort":)" +
                                              std::to_string(port));
}

// The same signature in hexadecimal digits, as others' webhooks have it.
std::string in_hex(const std::string& signature) {
    std::array<unsigned char, 33> digest{};
    EVP_DecodeBlock(digest.data(), reinterpret_cast<const unsigned char*>(signature.data()),
                    static_cast<int>(signature.size()));
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < 32; i++) {
        text += {digits[digest.at(i) >> 4U], digits[digest.at(i) & 15U]};
    }
    return text;
}

class StalwartWebhookTest : public tests::HttpListenerTest {
protected:
    StalwartWebhookTest() { fill(config_); }

    void listen() {
        auto webhook = StalwartWebhook::listen(context_.get_executor(), config_, on_login(), settled());
        ASSERT_TRUE(webhook) << webhook.error().what;
        webhook_ = std::move(*webhook);
    }

    std::string talk(const std::string& bytes) { return HttpListenerTest::talk(webhook_->port(), bytes); }

    static std::string request(std::string_view body, const std::optional<std::string>& signature,
                               std::string_view method = "POST") {
        return std::string(method) + " /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
               (signature ? "X-Signature: " + *signature + "\r\n" : "") +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
    }

    static std::string delivery(std::string_view body) { return request(body, webhook_signature(key, body)); }

    StalwartConfig config_;
    std::unique_ptr<StalwartWebhook> webhook_;
};

TEST_F(StalwartWebhookTest, ASuccessIsALogin) {
    config_.lifetime = std::chrono::seconds(3);
    listen();
    const std::string answer = talk(delivery(alice_body));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n{}"));
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].user, "alice@example.net");
    EXPECT_EQ(events_[0].address, parse_address("192.0.2.10").value());
    EXPECT_EQ(events_[0].port, 50123);
    EXPECT_EQ(events_[0].protocol, "imap");
    EXPECT_TRUE(events_[0].tls);
    EXPECT_EQ(events_[0].reporter, "mail1");
    EXPECT_EQ(events_[0].lifetime, std::chrono::seconds(3));
    EXPECT_EQ(rfc3339(events_[0].when), "2026-08-21T17:29:02Z") << "when it was, not when it is told";
    EXPECT_EQ(webhook_->counts().granted, 1U);
    EXPECT_THAT(logged(), IsEmpty());
}

TEST_F(StalwartWebhookTest, OlderVersionsAreUnderstood) {
    listen();
    EXPECT_THAT(talk(delivery(stalwart_0_10) + delivery(stalwart_0_8)), HasSubstr("HTTP/1.1 200"));
    ASSERT_EQ(events_.size(), 2U);
    EXPECT_EQ(events_[0].address, parse_address("2001:db8:100::10").value());
    EXPECT_EQ(events_[0].port, 40000);
    EXPECT_EQ(events_[1].protocol, "managesieve");
    EXPECT_EQ(events_[1].port, std::nullopt) << "0.8 doesn't tell";
}

TEST_F(StalwartWebhookTest, WhatIsNoLoginIsAnsweredAndOtherwiseIgnored) {
    listen();
    EXPECT_THAT(talk(delivery(stalwart_failures)), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(
        talk(delivery(stalwart_body(stalwart_event("auth.too-many-attempts", stalwart_imap) + "," +
                                    stalwart_event("imap.connection-start", R"("remoteIp":"192.0.2.10")")))),
        StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(talk(delivery(stalwart_body(""))), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(webhook_->counts().rejected, 0U);
    EXPECT_THAT(logged(), IsEmpty());
}

// Else Stalwart would send it again and again.
TEST_F(StalwartWebhookTest, ARefusedGrantIsNoErrorForStalwart) {
    verdict_ = fail(Failure::refused, "192.0.2.10 lies in no pool");
    listen();
    EXPECT_THAT(talk(delivery(alice_body)), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(webhook_->counts().granted, 0U);
    EXPECT_EQ(webhook_->counts().refused, 1U);
    EXPECT_EQ(webhook_->counts().rejected, 0U);
}

TEST_F(StalwartWebhookTest, AWrongOrMissingSignatureIsTurnedAway) {
    listen();
    std::string changed = alice_body;
    changed[alice_body.find("192.0.2.10") + 9] = '1';
    const std::string good = webhook_signature(key, alice_body);
    const std::string wrong[] = {
        request(alice_body, std::nullopt),
        request(alice_body, ""),
        request(alice_body, good.substr(1)),
        request(alice_body, good + "="),
        request(alice_body, "sha256=" + good),
        request(alice_body, in_hex(good)),
        request(alice_body, std::string(key)),
        request(alice_body, webhook_signature("for-the-test-onlY", alice_body)),
        request(alice_body, webhook_signature(key, stalwart_0_10)),
        request(alice_body + " ", good),
        request(changed, good),
        request("", good),
    };
    for (const std::string& each : wrong) {
        const std::string answer = talk(each);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 401")) << each.substr(0, 200);
        EXPECT_THAT(answer, HasSubstr("signature key"));
        EXPECT_THAT(answer, Not(HasSubstr(std::string(key))));
        EXPECT_THAT(answer, Not(HasSubstr(good))) << "nobody is told what would have been right";
    }
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(webhook_->counts().rejected, std::size(wrong));
    EXPECT_THAT(logged(), HasSubstr("WEBHOOK_WRONG_SIGNATURE"));
    EXPECT_THAT(logged(), Not(HasSubstr(std::string(key))));
    EXPECT_THAT(talk(request(alice_body, good)), StartsWith("HTTP/1.1 200")) << "and it goes on";
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(StalwartWebhookTest, AStrangerGetsNoAnswer) {
    config_.reporters = {parse_prefix("127.0.0.2/32").value(), parse_prefix("::1/128").value()};
    listen();
    EXPECT_EQ(talk(delivery(alice_body)), "");
    EXPECT_THAT(events_, IsEmpty());
    EXPECT_EQ(webhook_->counts().rejected, 1U);
    EXPECT_THAT(logged(), HasSubstr("WEBHOOK_STRANGER"));
    EXPECT_THAT(logged(), HasSubstr("127.0.0.1:"));
}

// Since 0.16.11 a delivery that is repeated has other ids than the first.
TEST_F(StalwartWebhookTest, ARepetitionCountsOnce) {
    listen();
    const std::string again = stalwart_body(
        stalwart_event("auth.success", stalwart_imap, "2026-08-21T17:29:02Z", "17873333424237") + "," +
        login_by("imaps", 50124));
    EXPECT_THAT(talk(delivery(alice_body)), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(talk(delivery(alice_body)), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(talk(delivery(again) + delivery(again)), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(events_, ElementsAre(Field(&grants::LoginEvent::user, "alice@example.net"),
                                     Field(&grants::LoginEvent::user, "alice")));
    EXPECT_EQ(webhook_->counts().granted, 2U);
}

// Up to 0.16.10 all logins of a second have one id.
TEST_F(StalwartWebhookTest, LoginsWithOneIdAreManyAllTheSame) {
    listen();
    talk(delivery(stalwart_body(login_by("imaps", 50124) + "," + login_by("imaps", 50125) + "," +
                                stalwart_event("auth.success", stalwart_imap))));
    EXPECT_EQ(events_.size(), 3U);
}

TEST_F(StalwartWebhookTest, OnlyTheProtocolsThatAreWanted) {
    config_.protocols = {"imap", "pop3"};
    listen();
    EXPECT_THAT(talk(delivery(stalwart_body(login_by("imaps", 1) + "," + login_by("https", 2) + "," +
                                            login_by("unknown", 3) + "," + login_by("pop3", 4)))),
                StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(events_, ElementsAre(Field(&grants::LoginEvent::protocol, "imap"),
                                     Field(&grants::LoginEvent::protocol, "pop3")));
    EXPECT_EQ(webhook_->counts().refused, 2U);
    EXPECT_EQ(webhook_->counts().rejected, 0U);
}

TEST_F(StalwartWebhookTest, ALoginWithoutAnAddressKeepsNobodyElseOut) {
    listen();
    EXPECT_THAT(
        talk(delivery(stalwart_body(stalwart_event("auth.success", R"("accountName":"bob\u001b[2J\nX")") +
                                    "," + login_by("imaps", 1)))),
        StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_EQ(webhook_->counts().rejected, 1U);
    EXPECT_THAT(logged(), HasSubstr("WEBHOOK_UNUSABLE"));
}

TEST_F(StalwartWebhookTest, BrokenRequestsAreToldWhyAndCounted) {
    listen();
    const std::string broken = talk(delivery(R"({"events":[)"));
    EXPECT_THAT(broken, StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(broken, HasSubstr("not JSON"));
    EXPECT_THAT(talk(delivery(R"({"event":"auth.success"})")), HasSubstr(R"(\"events\")"));
    std::string many = "0";
    for (std::size_t i = 0; i < most_webhook_events; i++) {
        many += ",0";
    }
    const std::string crowded = talk(delivery(stalwart_body(many)));
    EXPECT_THAT(crowded, StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(crowded, HasSubstr("auth.success alone"));
    EXPECT_THAT(talk(delivery(R"({"events":)" + std::string(100'000, '[') + "}")),
                StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(talk(request("", webhook_signature(key, ""), "GET")), StartsWith("HTTP/1.1 405"));
    EXPECT_EQ(webhook_->counts().rejected, 5U);
    EXPECT_THAT(logged(), HasSubstr("WEBHOOK_BAD_REQUEST"));
    EXPECT_THAT(talk(delivery(std::string(longest_webhook_body + 1, ' '))), StartsWith("HTTP/1.1 413"));
    EXPECT_EQ(webhook_->counts().rejected, 5U) << "what is no request of ours is the server's to count";
    EXPECT_EQ(webhook_->http_counts().malformed, 1U);
    EXPECT_THAT(events_, IsEmpty());
}

// After a time in which nobody answered.
TEST_F(StalwartWebhookTest, TheLoginsOfMinutesAreTakenAtOnce) {
    listen();
    std::string events = login_by("imaps", 1);
    for (int port = 2; port <= static_cast<int>(most_webhook_events); port++) {
        events += "," + login_by("imaps", port);
    }
    EXPECT_THAT(talk(delivery(stalwart_body(events))), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(events_.size(), most_webhook_events) << "all of them before the answer";
    EXPECT_THAT(talk(delivery(stalwart_body(events))), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(webhook_->counts().granted, most_webhook_events) << "and remembered";
}

TEST_F(StalwartWebhookTest, OthersAreServedMeanwhile) {
    std::size_t taken = 0;
    std::size_t before_others = 0;
    auto webhook = StalwartWebhook::listen(
        context_.get_executor(), config_,
        [&](const grants::LoginEvent&) {
            if (taken++ == 0) {
                boost::asio::post(context_, [&] { before_others = taken; });
            }
            return Result<void>();
        },
        settled());
    ASSERT_TRUE(webhook) << webhook.error().what;
    webhook_ = std::move(*webhook);
    std::string events = login_by("imaps", 1);
    for (int port = 2; port <= 1000; port++) {
        events += "," + login_by("imaps", port);
    }
    EXPECT_THAT(talk(delivery(stalwart_body(events))), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(taken, 1000U);
    EXPECT_GT(before_others, 0U);
    EXPECT_LT(before_others, 100U);
}

TEST_F(StalwartWebhookTest, TheAnswerWaitsUntilAllOfItIsOnTheDisk) {
    listen();
    EXPECT_THAT(talk(delivery(stalwart_body(login_by("imaps", 1) + "," + login_by("imaps", 2)))),
                StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(settled_events_, 2U);
}

TEST_F(StalwartWebhookTest, AFloodDoesNotFillTheLog) {
    listen();
    std::string requests;
    for (int i = 0; i < 500; ++i) {
        requests += request(alice_body, "nonsense");
    }
    talk(requests);
    EXPECT_EQ(webhook_->counts().rejected, 500U);
    EXPECT_LE(std::ranges::count(logged(), '\n'), 20);
}

TEST_F(StalwartWebhookTest, ATakenPortAndAnUnfitKeyFileAreErrors) {
    listen();
    config_.port = webhook_->port();
    const auto second = StalwartWebhook::listen(context_.get_executor(), config_, on_login(), settled());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, Failure::conflict);
    config_.port = 0;
    ::chmod(key_file_.c_str(), 0644);
    const auto readable = StalwartWebhook::listen(context_.get_executor(), config_, on_login(), settled());
    ASSERT_FALSE(readable);
    EXPECT_EQ(readable.error().kind, Failure::invalid);
    config_.key_file = "/nonexistent/webhook.key";
    EXPECT_FALSE(StalwartWebhook::listen(context_.get_executor(), config_, on_login(), settled()));
}

}  // namespace
}  // namespace sekisho::logins
