// SPDX-License-Identifier: Apache-2.0
// Networks from which users may log in: by hand, and compared with what the agent's list says of addresses.
#include "smtpd/sasl/login_networks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "agent/logins/access_list.h"

namespace sekisho::sasl {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AccessConfig entry(AccessAction action, const std::vector<std::string>& clients,
                   std::vector<std::string> users = {}, std::vector<std::string> protocols = {},
                   std::int64_t priority = 0) {
    AccessConfig config{.priority = priority,
                        .action = action,
                        .clients = {},
                        .users = std::move(users),
                        .protocols = std::move(protocols)};
    for (const std::string& client : clients) {
        config.clients.push_back(parse_prefix(client).value());
    }
    return config;
}

constexpr AccessAction allow = AccessAction::allow;
constexpr AccessAction deny = AccessAction::deny;

std::vector<std::string> networks(std::vector<AccessConfig> access, const std::string& user) {
    LoginNetworks all(std::move(access));
    const auto& found = all.of(user);
    if (!found) {
        return {"everywhere"};
    }
    std::vector<std::string> texts;
    for (const Prefix& each : *found) {
        texts.push_back(each.text());
    }
    return texts;
}

TEST(LoginNetworks, EverywhereWithoutARule) {
    EXPECT_THAT(networks({}, "anna"), ElementsAre("everywhere"));
    EXPECT_THAT(networks({entry(allow, {"192.0.2.0/24"})}, "anna"), ElementsAre("everywhere"))
        << "who isn't denied may log in";
    EXPECT_THAT(networks({entry(deny, {}, {"bert"})}, "anna"), ElementsAre("everywhere"));
}

TEST(LoginNetworks, SomeNetworksOnly) {
    const std::vector<AccessConfig> office = {
        entry(deny, {}, {"Anna@*"}, {}, 20),
        entry(allow, {"192.0.2.0/24", "2001:db8::/32", "192.0.2.7"}, {}, {}, 10)};
    EXPECT_THAT(networks(office, "anna@example.net"), ElementsAre("192.0.2.0/24", "2001:db8::/32"));
    EXPECT_THAT(networks(office, "ANNA@example.net"), ElementsAre("192.0.2.0/24", "2001:db8::/32"));
    EXPECT_THAT(networks(office, "bert@example.net"), ElementsAre("everywhere"));
    EXPECT_THAT(networks({entry(deny, {}, {"anna"})}, "anna"), IsEmpty());
    EXPECT_THAT(networks({entry(deny, {"0.0.0.0/0"})}, "anna"), ElementsAre("::/0"));
}

TEST(LoginNetworks, AllButOneNetwork) {
    EXPECT_THAT(networks({entry(deny, {"128.0.0.0/2"})}, "anna"),
                ElementsAre("0.0.0.0/1", "192.0.0.0/2", "::/0"));
    EXPECT_EQ(networks({entry(deny, {"192.0.2.1"})}, "anna").size(), 33U);
    EXPECT_THAT(
        networks({entry(allow, {"192.0.2.0/25"}), entry(allow, {"192.0.2.128/25"}), entry(deny, {})}, "anna"),
        ElementsAre("192.0.2.0/24"))
        << "halves are joined";
}

TEST(LoginNetworks, OneProtocolIsEnough) {
    EXPECT_THAT(networks({entry(deny, {}, {}, {"pop3"})}, "anna"), ElementsAre("everywhere"));
    EXPECT_THAT(networks({entry(deny, {}, {}, {"pop3"}), entry(deny, {}, {}, {"IMAP"})}, "anna"), IsEmpty());
    EXPECT_THAT(networks({entry(deny, {}, {}, {"pop3"}), entry(allow, {"192.0.2.0/24"}, {}, {"imap"}),
                          entry(deny, {})},
                         "anna"),
                ElementsAre("192.0.2.0/24"));
}

// What the agent lets in must be let in here, and what is denied by both protocols must not be.
TEST(LoginNetworks, SayWhatTheAgentsListSays) {
    std::mt19937 random(7);
    const auto pick = [&random](std::size_t below) { return random() % below; };
    const std::vector<std::string> some = {"192.0.2.0/24",  "192.0.2.64/26",   "192.0.2.65", "0.0.0.0/0",
                                           "2001:db8::/32", "2001:db8:1::/48", "::/0"};
    const std::vector<std::string> addresses = {
        "192.0.2.1",    "192.0.2.64", "192.0.2.65",      "192.0.2.127", "192.0.2.128",
        "198.51.100.1", "0.0.0.0",    "255.255.255.255", "2001:db8::1", "2001:db8:1::",
        "2001:db8:2::", "::",         "2001:db9::"};
    const std::vector<std::vector<std::string>> users = {{}, {"anna"}, {"b*"}};
    const std::vector<std::vector<std::string>> protocols = {{}, {"pop3"}, {"imap"}, {"imap", "pop3"}};
    for (int round = 0; round < 500; round++) {
        std::vector<AccessConfig> access;
        for (std::size_t i = pick(5); i > 0; i--) {
            std::vector<std::string> clients;
            for (std::size_t j = pick(3); j > 0; j--) {
                clients.push_back(some[pick(some.size())]);
            }
            access.push_back(entry(pick(2) == 0 ? allow : deny, clients, users[pick(3)], protocols[pick(4)],
                                   static_cast<std::int64_t>(pick(3))));
        }
        const logins::AccessList list(access);
        LoginNetworks networks(access);
        for (const std::string& text : addresses) {
            const Address address = parse_address(text).value();
            for (const char* const user : {"anna", "bert"}) {
                const auto denied = [&](const char* protocol) {
                    return list.judge({.address = address, .user = user, .protocol = protocol}) ==
                           logins::Access::denied;
                };
                const auto& found = networks.of(user);
                const bool in = !found || std::ranges::any_of(*found, [&address](const Prefix& each) {
                    return each.contains(address);
                });
                ASSERT_EQ(in, !denied("pop3") || !denied("imap"))
                    << "round " << round << " " << text << " " << user;
            }
        }
    }
}

}  // namespace
}  // namespace sekisho::sasl
