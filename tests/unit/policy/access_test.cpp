// SPDX-License-Identifier: Apache-2.0
// Whom the list of access denies, delays, or spares.
#include "smtpd/policy/access.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace sekisho::policy {
namespace {

using namespace std::chrono_literals;
using Kind = Access::Kind;
using List = std::vector<SubmissionAccessConfig>;

Access judged(const List& list, std::string_view client,
              std::optional<std::string_view> sender = std::nullopt) {
    return judge_access(list, {.client = parse_address(client).value(), .name = {}, .sender = sender});
}

SubmissionAccessConfig entry(SubmissionAction action, const std::vector<std::string_view>& clients,
                             std::vector<std::string> senders = {}) {
    SubmissionAccessConfig config;
    config.action = action;
    for (const std::string_view client : clients) {
        config.clients.push_back(parse_prefix(client).value());
    }
    config.senders = std::move(senders);
    return config;
}

Kind kind(const List& list, std::string_view client, std::optional<std::string_view> sender = std::nullopt) {
    return judged(list, client, sender).kind;
}

TEST(SubmissionAccess, IsOpenWhereNothingFits) {
    EXPECT_EQ(kind({}, "192.0.2.1"), Kind::open);
    const List list = {entry(SubmissionAction::deny, {"192.0.2.0/24", "2001:db8::/32"})};
    EXPECT_EQ(kind(list, "198.51.100.1"), Kind::open);
    EXPECT_EQ(judged(list, "198.51.100.1", "").entry, nullptr);
    EXPECT_EQ(kind(list, "192.0.2.1"), Kind::denied);
    EXPECT_EQ(kind(list, "2001:db8:1::1"), Kind::denied);
    EXPECT_EQ(kind(list, "::ffff:192.0.2.1"), Kind::denied);
}

TEST(SubmissionAccess, TheFirstThatFitsDecides) {
    const List list = {entry(SubmissionAction::allow, {"192.0.2.1/32"}),
                       entry(SubmissionAction::delay, {"192.0.2.0/28"}),
                       entry(SubmissionAction::deny, {"192.0.2.0/24"})};
    EXPECT_EQ(kind(list, "192.0.2.1"), Kind::open);
    EXPECT_EQ(judged(list, "192.0.2.1").entry, list.data());
    EXPECT_EQ(kind(list, "192.0.2.2"), Kind::delayed);
    EXPECT_EQ(judged(list, "192.0.2.2").entry->delay, 10s);
    EXPECT_EQ(kind(list, "192.0.2.16"), Kind::denied);
}

TEST(SubmissionAccess, ANameMustBeKnown) {
    List list = {entry(SubmissionAction::allow, {}), entry(SubmissionAction::deny, {"192.0.2.0/24"})};
    list[0].names = {"*.office.example.net", "one.example.net"};
    const Address client = parse_address("192.0.2.1").value();
    const auto of = [&](std::optional<std::string> name) {
        return judge_access(list, {.client = client, .name = std::move(name), .sender = {}}).kind;
    };
    EXPECT_EQ(of(std::nullopt), Kind::undecided);
    EXPECT_EQ(of("pc.office.example.net"), Kind::open);
    EXPECT_EQ(of("one.example.net"), Kind::open);
    EXPECT_EQ(of("office.example.net.evil.example"), Kind::denied);
    EXPECT_EQ(of(""), Kind::denied) << "who has no name";
    EXPECT_TRUE(name_matters(list, client));
    list[0].clients = {parse_prefix("198.51.100.0/24").value()};
    EXPECT_FALSE(name_matters(list, client)) << "the entry is for others";
    EXPECT_EQ(of(std::nullopt), Kind::denied);
    std::swap(list[0], list[1]);
    EXPECT_EQ(of("one.example.net"), Kind::denied) << "the first decides";
    EXPECT_FALSE(name_matters(list, client));
    list = {entry(SubmissionAction::allow, {}), entry(SubmissionAction::deny, {})};
    list[0].names = {"*"};
    EXPECT_EQ(of("any.example.net"), Kind::open);
    EXPECT_EQ(of(""), Kind::denied) << "none is no name";
}

TEST(SubmissionAccess, ALoginMayLiftIt) {
    List list = {entry(SubmissionAction::deny, {"192.0.2.0/24"})};
    list[0].unless_login = true;
    EXPECT_EQ(kind(list, "192.0.2.1"), Kind::login);
}

TEST(SubmissionAccess, SendersAreToldByPatterns) {
    const List list = {entry(SubmissionAction::deny, {}, {"*@rude.test", "<>", "eve@example.net"})};
    for (const char* sender : {"a@rude.test", "A@RUDE.Test", "@rude.test", "", "eve@example.net",
                               "\"eve\"@example.net", R"("e\v\e"@example.net)", "EVE@example.net"}) {
        EXPECT_EQ(kind(list, "192.0.2.1", sender), Kind::denied) << sender;
    }
    for (const char* sender : {"a@rude.test.example.net", "a@notrude.test", "eve@example.net.test",
                               "steve@example.net", "\"eve", "\"", "\"eve\\", "\"@rude.test\"@example.org"}) {
        EXPECT_EQ(kind(list, "192.0.2.1", sender), Kind::open) << sender;
    }
}

// RFC 5895, 2: however a client writes a domain, it is one and the same.
TEST(SubmissionAccess, ASendersDomainIsWhatTheDnsHas) {
    const List list = {
        entry(SubmissionAction::deny, {}, {"*@rude.test", "*@*.b\u00fccher.test", "*@xn--gr-yka.test"})};
    for (const char* sender :
         {"x@\uff52\uff55\uff44\uff45.test", "x@rude\u3002test", "x@ru\u00adde.test", "x@a.b\u00fccher.test",
          "x@a.xn--bcher-kva.test", "x@A.B\u00dcCHER.test", "x@gr\u00fc.test", "\"x\"@\uff52ude.test"}) {
        EXPECT_EQ(kind(list, "192.0.2.1", sender), Kind::denied) << sender;
    }
    for (const char* sender : {"x@b\u00fccher.test", "x@r\u00fcde.test", "r\u00fcde@example.test"}) {
        EXPECT_EQ(kind(list, "192.0.2.1", sender), Kind::open) << sender;
    }
}

TEST(SubmissionAccess, WhatDependsOnTheSenderWaitsForIt) {
    const List list = {entry(SubmissionAction::allow, {"192.0.2.0/24"}, {"boss@example.net"}),
                       entry(SubmissionAction::deny, {"192.0.2.0/24"})};
    EXPECT_EQ(kind(list, "192.0.2.1"), Kind::undecided) << "the boss may come from there";
    EXPECT_EQ(kind(list, "192.0.2.1", "boss@example.net"), Kind::open);
    EXPECT_EQ(kind(list, "192.0.2.1", "clerk@example.net"), Kind::denied);
    EXPECT_EQ(kind(list, "198.51.100.1"), Kind::open);
}

}  // namespace
}  // namespace sekisho::policy
