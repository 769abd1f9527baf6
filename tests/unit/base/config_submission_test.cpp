// SPDX-License-Identifier: Apache-2.0
// [[submission.access]] and [[submission.quota]], right and wrong. What else [submission] holds:
// config_mail_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::filesystem::path submission_file = "/etc/sekisho/sekisho.toml";

TEST(ConfigSubmission, ReadsTheListOfAccessInItsOrder) {
    const auto config = parse_config(R"([[submission.access]]
priority = 7
action = "deny"
clients = ["0.0.0.0/0", "2001:db8::/32"]
[[submission.access]]
priority = 7
action = "delay"
delay = "1m"
[[submission.access]]
action = "deny"
senders = ["*@Rude.Test"]
unless_login = true
[[submission.access]]
action = "allow"
names = ["*.Office.example.net"]
senders = ["<>"]
)",
                                     submission_file);
    ASSERT_TRUE(config) << text(submission_file, config.error());
    const auto& access = config->submission.access;
    ASSERT_EQ(access.size(), 4U);
    EXPECT_EQ(access[0].senders, std::vector<std::string>{"*@rude.test"});
    EXPECT_TRUE(access[0].unless_login);
    EXPECT_TRUE(access[0].clients.empty());
    EXPECT_EQ(to_string(access[1].action), "allow");
    EXPECT_EQ(access[1].names, std::vector<std::string>{"*.office.example.net"});
    EXPECT_EQ(to_string(access[2].action), "deny");
    EXPECT_FALSE(access[2].unless_login);
    ASSERT_EQ(access[2].clients.size(), 2U);
    EXPECT_EQ(access[2].clients[0].text(), "0.0.0.0/0");
    EXPECT_EQ(to_string(access[3].action), "delay");
    EXPECT_EQ(access[3].delay, 60s);
}

TEST(ConfigSubmission, ReadsWhoMaySendAsWhom) {
    const auto config =
        parse_config("[submission]\nown_senders = true\nsender_file = \"/etc/senders\"\n", submission_file);
    ASSERT_TRUE(config) << text(submission_file, config.error());
    EXPECT_TRUE(config->submission.own_senders);
    EXPECT_EQ(config->submission.sender_file, "/etc/senders");
    EXPECT_FALSE(parse_config("", submission_file)->submission.own_senders);
    const auto broken = parse_config("[submission]\nsender_file = \"/etc/senders\"\n", submission_file);
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().front().what, HasSubstr("may send as anybody"));
}

TEST(ConfigSubmission, ReadsMoreCertificates) {
    const std::string first = "[submission]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    const std::string more =
        "[[submission.sni]]\ncertificate = \"/etc/other.pem\"\nkey = \"/etc/other.key\"\n";
    const auto config = parse_config(first + more, submission_file);
    ASSERT_TRUE(config) << text(submission_file, config.error());
    ASSERT_EQ(config->submission.sni.size(), 1U);
    EXPECT_EQ(config->submission.sni[0].certificate, "/etc/other.pem");
    EXPECT_EQ(config->submission.sni[0].key, "/etc/other.key");
    for (const auto& [broken, what] : std::vector<std::pair<std::string, const char*>>{
             {more, "no certificate for those"},
             {first + "[[submission.sni]]\ncertificate = \"/etc/other.pem\"\n", "has no \"key\""},
             {first + "[[submission.sni]]\nkey = \"/etc/other.key\"\n", "has no \"certificate\""},
             {first + "[[submission.sni]]\ncertificate = \"other.pem\"\nkey = \"/k\"\n", "absolute"},
         }) {
        const auto wrong = parse_config(broken, submission_file);
        ASSERT_FALSE(wrong) << broken;
        EXPECT_THAT(wrong.error().front().what, HasSubstr(what)) << broken;
    }
}

TEST(ConfigSubmission, ReadsQuotas) {
    const auto config = parse_config(R"([[submission.quota]]
users = ["*@Bulk.example.net"]
day = 50000
[[submission.quota]]
hour = 100
day = 500
new_hour = 20
new_day = 50
addresses_day = 20
networks_day = 5
failed_day = 100
warn = 75
stop = true
)",
                                     submission_file);
    ASSERT_TRUE(config) << text(submission_file, config.error());
    const auto& quotas = config->submission.quotas;
    ASSERT_EQ(quotas.size(), 2U);
    EXPECT_EQ(quotas[0].users, std::vector<std::string>{"*@bulk.example.net"});
    EXPECT_EQ(quotas[0].hour, 0U);
    EXPECT_EQ(quotas[0].day, 50'000U);
    EXPECT_EQ(quotas[0].warn, 80U);
    EXPECT_FALSE(quotas[0].stop);
    EXPECT_TRUE(quotas[1].users.empty());
    EXPECT_EQ(quotas[1].hour, 100U);
    EXPECT_EQ(quotas[1].new_hour, 20U);
    EXPECT_EQ(quotas[1].new_day, 50U);
    EXPECT_EQ(quotas[1].addresses_day, 20U);
    EXPECT_EQ(quotas[1].networks_day, 5U);
    EXPECT_EQ(quotas[1].failed_day, 100U);
    EXPECT_EQ(quotas[1].warn, 75U);
    EXPECT_TRUE(quotas[1].stop);
}

TEST(ConfigSubmission, ReadsAccounts) {
    const auto config = parse_config(
        "[submission]\nhide_clients = true\n"
        "[[submission.account]]\nusers = [\"*@Free.example.net\"]\nrelay = false\n"
        "[[submission.account]]\nusers = [\"anna\"]\n",
        submission_file);
    ASSERT_TRUE(config) << text(submission_file, config.error());
    EXPECT_TRUE(config->submission.hide_clients);
    const auto& accounts = config->submission.accounts;
    ASSERT_EQ(accounts.size(), 2U);
    EXPECT_EQ(accounts[0].users, std::vector<std::string>{"*@free.example.net"});
    EXPECT_FALSE(accounts[0].relay);
    EXPECT_TRUE(accounts[1].relay);
    for (const auto& [broken, what] : std::vector<std::pair<std::string, const char*>>{
             {"relay = false\n", "has no \"users\""},
             {"users = []\n", "names nobody"},
             {"users = [\"a\"]\ngrants = false\n", "grants"},
         }) {
        const auto wrong = parse_config("[[submission.account]]\n" + broken, submission_file);
        ASSERT_FALSE(wrong) << broken;
        EXPECT_THAT(wrong.error().front().what, HasSubstr(what)) << broken;
    }
}

TEST(ConfigSubmission, MistakesInQuotas) {
    for (const auto& [broken, what] : std::vector<std::pair<std::string, const char*>>{
             {"users = []\n", "names nobody"},
             {"hour = 0\n", "hour"},
             {"day = -1\n", "day"},
             {"hour = 10\nwarn = 101\n", "warn"},
             {"stop = true\n", "no limit"},
             {"hour = 10\nday = 9\n", "whole day"},
             {"new_hour = 10\nnew_day = 9\n", "whole day"},
             {"networks_day = 0\n", "networks_day"},
             {"week = 10\n", "week"},
         }) {
        const auto config = parse_config("[[submission.quota]]\n" + broken, submission_file);
        ASSERT_FALSE(config) << broken;
        EXPECT_THAT(config.error().front().what, HasSubstr(what)) << broken;
        EXPECT_GT(config.error().front().line, 0) << broken;
    }
}

TEST(ConfigSubmission, MistakesInTheListOfAccess) {
    const std::string head = "[[submission.access]]\n";
    const std::vector<std::pair<std::string, const char*>> mistakes = {
        {"clients = [\"192.0.2.0/24\"]\n", "action"},
        {"action = \"close\"\n", "action"},
        {"action = \"deny\"\npriority = -1\n", "priority"},
        {"action = \"deny\"\nclients = []\n", "clients"},
        {"action = \"deny\"\nclients = [\"192.0.2.1/24\"]\n", "192.0.2.1/24"},
        {"action = \"deny\"\nsenders = []\n", "names nobody"},
        {"action = \"deny\"\nnames = []\n", "names nobody"},
        {"action = \"deny\"\ndelay = \"5s\"\n", "nothing is delayed"},
        {"action = \"delay\"\ndelay = \"0s\"\n", "longer than nothing"},
        {"action = \"delay\"\ndelay = \"6m\"\n", "too long"},
        {"action = \"delay\"\nunless_login = true\n", "lifts what is denied"},
        {"action = \"allow\"\nunless_login = false\n", "lifts what is denied"},
        {"action = \"deny\"\nusers = [\"anna\"]\n", "users"},
    };
    for (const auto& [broken, what] : mistakes) {
        const auto config = parse_config(head + broken, submission_file);
        ASSERT_FALSE(config) << broken;
        EXPECT_THAT(config.error().front().what, HasSubstr(what)) << broken;
        EXPECT_GT(config.error().front().line, 0) << broken;
    }
}

}  // namespace
}  // namespace sekisho
