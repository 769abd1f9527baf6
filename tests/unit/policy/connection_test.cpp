// SPDX-License-Identifier: Apache-2.0
// What is asked of a connection, by listener and client.
#include "smtpd/policy/connection.h"

#include <gtest/gtest.h>

namespace sekisho::policy {
namespace {

Address address(std::string_view text) {
    return parse_address(text).value();
}

ListenerConfig listener(TlsMode tls, const std::vector<std::string_view>& networks = {}) {
    ListenerConfig config;
    config.tls = tls;
    for (const std::string_view network : networks) {
        config.relay.push_back(parse_prefix(network).value());
    }
    return config;
}

SubmissionConfig submission() {
    SubmissionConfig config;
    config.hostname = "mail.example.net";
    config.largest_message = 1234;
    config.recipients = 5;
    config.errors = 6;
    return config;
}

TEST(Trust, IsForTheNetworksOfTheListener) {
    const auto config = listener(TlsMode::none, {"192.0.2.0/25", "2001:db8:1::/48"});
    EXPECT_TRUE(is_trusted(config, address("192.0.2.127")));
    EXPECT_FALSE(is_trusted(config, address("192.0.2.128")));
    EXPECT_TRUE(is_trusted(config, address("2001:db8:1:ffff::1")));
    EXPECT_FALSE(is_trusted(config, address("2001:db8:2::1")));
    EXPECT_TRUE(is_trusted(config, address("::ffff:192.0.2.1")));
    EXPECT_FALSE(is_trusted(listener(TlsMode::none), address("192.0.2.1")));
}

TEST(Trust, OfOneFamilyIsNotThatOfTheOther) {
    EXPECT_FALSE(is_trusted(listener(TlsMode::none, {"0.0.0.0/0"}), address("2001:db8::1")));
    EXPECT_FALSE(is_trusted(listener(TlsMode::none, {"::/0"}), address("192.0.2.1")));
}

TEST(Trust, IsForInterfacesToo) {
    ListenerConfig config = listener(TlsMode::none);
    config.relay_interfaces = {"lan*", "eth1"};
    EXPECT_TRUE(is_trusted(config, address("198.51.100.1"), "lan0"));
    EXPECT_TRUE(is_trusted(config, address("2001:db8::1"), "eth1"));
    EXPECT_FALSE(is_trusted(config, address("198.51.100.1"), "eth10"));
    EXPECT_FALSE(is_trusted(config, address("198.51.100.1"), "wlan0"));
    EXPECT_FALSE(is_trusted(config, address("198.51.100.1"))) << "it isn't known";
    config.relay_interfaces = {"*"};
    EXPECT_FALSE(is_trusted(config, address("198.51.100.1"), ""));
}

TEST(Trust, ToSpeakForOthersIsAnother) {
    ListenerConfig config = listener(TlsMode::none, {"192.0.2.0/25"});
    EXPECT_FALSE(speaks_for_others(config, address("192.0.2.1")));
    config.xclient = {parse_prefix("198.51.100.0/31").value()};
    EXPECT_TRUE(speaks_for_others(config, address("198.51.100.1")));
    EXPECT_FALSE(speaks_for_others(config, address("198.51.100.2")));
    EXPECT_FALSE(is_trusted(config, address("198.51.100.1")));
}

TEST(Settings, ComeFromTheConfiguration) {
    const auto settings =
        settings_of(listener(TlsMode::starttls), submission(), RelayConfig(), address("2001:db8::1"));
    EXPECT_EQ(settings.hostname, "mail.example.net");
    EXPECT_EQ(settings.client, "2001:db8::1");
    EXPECT_TRUE(settings.tls_offered);
    EXPECT_FALSE(settings.tls_active);
    EXPECT_EQ(settings.mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN"}));
    EXPECT_EQ(settings.largest_message, 1234U);
    EXPECT_EQ(settings.recipients, 5U);
    EXPECT_EQ(settings.errors, 6U);
    EXPECT_EQ(settings.postmaster_domain, "mail.example.net");
}

// RFC 5321, 4.5.1: whoever has mailboxes has a postmaster.
TEST(Settings, ThePostmasterIsOfTheFirstLocalDomain) {
    RelayConfig relay;
    relay.local = {{.domains = {"example.org", "example.net"}, .path = "/run/lmtp", .host = {}}};
    const auto settings = settings_of(listener(TlsMode::none), submission(), relay, address("192.0.2.1"));
    EXPECT_EQ(settings.postmaster_domain, "example.org");
    EXPECT_TRUE(settings.dsn);
    ListenerConfig everybody = listener(TlsMode::none);
    everybody.local = true;
    EXPECT_FALSE(settings_of(everybody, submission(), relay, address("192.0.2.1")).dsn);
}

TEST(Settings, KnowTheKindsOfTls) {
    const auto implicit =
        settings_of(listener(TlsMode::implicit), submission(), RelayConfig(), address("192.0.2.1"));
    EXPECT_FALSE(implicit.tls_offered);
    EXPECT_TRUE(implicit.tls_active);
    const auto none = settings_of(listener(TlsMode::none), submission(), RelayConfig(), address("192.0.2.1"));
    EXPECT_FALSE(none.tls_offered);
    EXPECT_FALSE(none.tls_active);
}

}  // namespace
}  // namespace sekisho::policy
