// SPDX-License-Identifier: Apache-2.0
// [login.tries] and [[login.access]]: who is locked, and who is let in at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(ConfigTries, IsOffUnlessTheSectionIsThere) {
    EXPECT_FALSE(parse_config("", "x.toml")->tries);
    EXPECT_TRUE(parse_config("", "x.toml")->access.empty());
}

TEST(ConfigTries, HasDefaults) {
    const auto config = parse_config("[login.tries]\n", "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_TRUE(config->tries);
    EXPECT_EQ(config->tries->window, 10min);
    EXPECT_EQ(config->tries->per_address, 20U);
    EXPECT_EQ(config->tries->per_network, 100U);
    EXPECT_EQ(config->tries->per_user, 50U);
    EXPECT_EQ(config->tries->answer, TriesAnswer::refuse);
    EXPECT_EQ(config->tries->tarpit, 10s);
    EXPECT_EQ(config->tries->lock, 10min);
    EXPECT_EQ(config->tries->network_ipv4, 24);
    EXPECT_EQ(config->tries->network_ipv6, 48);
    EXPECT_TRUE(config->tries->never.empty());
}

TEST(ConfigTries, IsRead) {
    const auto config = parse_config(
        "[login.tries]\nwindow = \"24h\"\nper_address = 1\nper_network = 0\nper_user = 10000\n"
        "answer = \"tarpit\"\ntarpit = \"15s\"\nlock = \"7d\"\nnetwork_ipv4 = 31\nnetwork_ipv6 = 16\n"
        "never = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n",
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    EXPECT_EQ(config->tries->window, 24h);
    EXPECT_EQ(config->tries->per_address, 1U);
    EXPECT_EQ(config->tries->per_network, 0U);
    EXPECT_EQ(config->tries->per_user, 10'000U);
    EXPECT_EQ(config->tries->answer, TriesAnswer::tarpit);
    EXPECT_EQ(config->tries->tarpit, 15s);
    EXPECT_EQ(config->tries->lock, 168h);
    EXPECT_EQ(config->tries->network_ipv4, 31);
    EXPECT_EQ(config->tries->network_ipv6, 16);
    ASSERT_EQ(config->tries->never.size(), 2U);
    EXPECT_EQ(config->tries->never[1].text(), "2001:db8::/32");
}

TEST(ConfigAccess, IsReadInTheOrderOfTheFile) {
    const auto config = parse_config(
        "[[login.access]]\npriority = 20\naction = \"deny\"\n"
        "[[login.access]]\npriority = 10\naction = \"allow\"\nclients = [\"192.0.2.0/24\"]\n"
        "users = [\"alice\", \"*@example.net\"]\nprotocols = [\"pop3\", \"imap\"]\n"
        "[[login.access]]\naction = \"deny\"\nclients = [\"0.0.0.0/1\"]\n",
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_EQ(config->access.size(), 3U);
    EXPECT_EQ(config->access[0].priority, 20);
    EXPECT_EQ(config->access[0].action, AccessAction::deny);
    EXPECT_TRUE(config->access[0].clients.empty());
    EXPECT_EQ(config->access[1].action, AccessAction::allow);
    EXPECT_EQ(config->access[1].clients.at(0).text(), "192.0.2.0/24");
    EXPECT_THAT(config->access[1].users, testing::ElementsAre("alice", "*@example.net"));
    EXPECT_THAT(config->access[1].protocols, testing::ElementsAre("pop3", "imap"));
    EXPECT_EQ(config->access[2].priority, 0);
}

struct AccessMistake {
    std::string text;
    int line;
    const char* what;
    const char* remedy;
};

TEST(ConfigAccess, MistakesAreSaidWithTheirPlace) {
    const std::string tries = "[login.tries]\n";
    const std::string access = "[[login.access]]\n";
    const std::string deny = access + "action = \"deny\"\n";
    for (const AccessMistake& mistake : {
             AccessMistake{tries + "per_address = -1\n", 2, "per_address", "sekisho.toml(5)"},
             AccessMistake{tries + "per_address = 10001\n", 2, "per_address", "sekisho.toml(5)"},
             AccessMistake{tries + "window = \"25h\"\n", 2, "too long", "1s to 24h"},
             AccessMistake{tries + "window = \"0s\"\n", 2, "longer than nothing", "10m"},
             AccessMistake{tries + "lock = \"8d\"\n", 2, "too long", "7d"},
             AccessMistake{tries + "tarpit = \"16s\"\n", 2, "too long", "1s to 15s"},
             AccessMistake{tries + "answer = \"drop\"\n", 2, "answer", "tarpit"},
             AccessMistake{tries + "network_ipv4 = 32\n", 2, "network_ipv4", "sekisho.toml(5)"},
             AccessMistake{tries + "network_ipv6 = 64\n", 2, "network_ipv6", "sekisho.toml(5)"},
             AccessMistake{tries + "never = [\"0.0.0.0/0\"]\n", 2, "wider than /8", "really meant"},
             AccessMistake{tries + "never = []\n", 2, "never", ""},
             AccessMistake{tries + "per_address = 0\nper_network = 0\nper_user = 0\n", 2,
                           "nobody is ever locked", "leave [login.tries] out"},
             AccessMistake{tries + "per_adress = 3\n", 2, "per_adress", "per_address"},
             AccessMistake{access + "priority = 1\n", 1, "has no \"action\"", "add it"},
             AccessMistake{access + "action = \"block\"\n", 2, "action", "deny"},
             AccessMistake{deny + "priority = -1\n", 3, "priority", "sekisho.toml(5)"},
             AccessMistake{deny + "clients = []\n", 3, "clients", ""},
             AccessMistake{deny + "clients = [\"192.0.2.1/24\"]\n", 3, "192.0.2.1/24", "192.0.2.0/24"},
             AccessMistake{deny + "users = []\n", 3, "names nobody", "leave it out"},
             AccessMistake{deny + "protocols = []\n", 3, "names no protocol", "leave it out"},
             AccessMistake{deny + "protocols = [\"POP3\"]\n", 3, "no protocol \"POP3\"", "small letters"},
             AccessMistake{deny + "protocols = [\"imaps\"]\n", 3, "no protocol \"imaps\"", "write \"imap\""},
             AccessMistake{access + "action = \"allow\"\nclients = [\"::/0\"]\n", 3, "wider than /16",
                           "meant"},
             AccessMistake{deny + access + "action = \"allow\"\nusers = [\"alice\"]\n", 3,
                           "never reached: the one at line 1", "highest priority"},
             AccessMistake{access + "action = \"allow\"\npriority = 9\nusers = [\"alice\"]\n" + deny, 1,
                           "priority 9 is never reached: the one at line 5", "highest priority"},
         }) {
        const auto config = parse_config(mistake.text, "x.toml");
        ASSERT_FALSE(config) << mistake.text;
        ASSERT_EQ(config.error().size(), 1U) << mistake.text << text("x.toml", config.error());
        const ConfigError& complaint = config.error().front();
        EXPECT_EQ(complaint.line, mistake.line) << mistake.text;
        EXPECT_THAT(complaint.what, HasSubstr(mistake.what)) << mistake.text;
        EXPECT_THAT(complaint.remedy, HasSubstr(mistake.remedy)) << mistake.text;
    }
}

}  // namespace
}  // namespace sekisho
