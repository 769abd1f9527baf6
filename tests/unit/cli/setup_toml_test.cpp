// SPDX-License-Identifier: Apache-2.0
// The configuration that `sekisho setup` writes.
#include "agent/cli/setup_toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"

namespace sekisho::cli {

namespace {

using Words = std::vector<std::string>;

// Every interface set with every pool, action, list of servers and name.
std::vector<SetupAnswers> all_answers() {
    const std::vector<Words> pools = {{"192.0.2.0/24"},
                                      {"2001:db8:100::/40"},
                                      {"192.0.2.0/24", "2001:db8:100::/40"},
                                      {"192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/26", "192.0.2.192/26",
                                       "198.51.100.128/25", "2001:db8:100::/40"}};
    std::vector<SetupAnswers> all = {{}};
    const auto times = [&all](const auto& values, auto member) {
        std::vector<SetupAnswers> more;
        for (const SetupAnswers& each : all) {
            for (const auto& value : values) {
                more.push_back(each);
                more.back().*member = value;
            }
        }
        all = std::move(more);
    };
    times(std::vector<Words>{{"sub-a"}, {"ppp*", "eth1", "vlan[0-9]"}}, &SetupAnswers::subscribers);
    times(std::vector<Words>{{}, {"core"}, {"up-*", "ppp7"}}, &SetupAnswers::uplinks);
    times(pools, &SetupAnswers::prefixes);
    times(std::vector<int>{48, 56}, &SetupAnswers::ipv6_key);
    times(Words{"monitor", "reset", "prohibit", "drop"}, &SetupAnswers::action);
    times(std::vector<Words>{{}, {"198.51.100.25", "2001:db8:25::/64"}}, &SetupAnswers::designated);
    times(Words{"", "smtp.example.net"}, &SetupAnswers::hostname);
    return all;
}

TEST(SetupToml, EveryCombinationLoads) {
    const auto all = all_answers();
    EXPECT_EQ(all.size(), 2U * 3 * 4 * 2 * 4 * 2 * 2);
    for (const SetupAnswers& answers : all) {
        const std::string text = setup_toml(answers);
        const auto config = parse_config(text, "sekisho.toml");
        ASSERT_TRUE(config) << text << config.error().front().what;
        EXPECT_FALSE(setup_complaint(answers));
        EXPECT_EQ(config->interfaces.size(), answers.subscribers.size() + answers.uplinks.size());
        EXPECT_EQ(config->pools.at(0).prefixes.size(), answers.prefixes.size());
        EXPECT_EQ(config->pools.at(0).key_length_ipv6, has_ipv6(answers.prefixes) ? answers.ipv6_key : 64);
        EXPECT_EQ(to_string(config->pools.at(0).action), answers.action);
        EXPECT_EQ(config->designated.size(), answers.designated.empty() ? 0U : 1U);
        EXPECT_EQ(config->submission.hostname, answers.hostname);
        EXPECT_EQ(config->submission.listeners.size(), answers.hostname.empty() ? 0U : 4U);
    }
}

TEST(SetupToml, EachSectionHasAComment) {
    std::istringstream lines(setup_toml({.subscribers = {"sub-a", "ppp*"},
                                         .uplinks = {"core"},
                                         .prefixes = {"192.0.2.0/24"},
                                         .designated = {"198.51.100.25"},
                                         .hostname = "smtp.example.net"}));
    std::string before;
    int sections = 0;
    for (std::string line; std::getline(lines, line); before = line) {
        if (line.starts_with('[') && line != "[[submission.listener]]") {
            EXPECT_TRUE(before.starts_with("# ")) << line;
            sections++;
        }
        EXPECT_LE(line.size(), 120U) << line;
    }
    EXPECT_EQ(sections, 6);
}

TEST(SetupToml, WhateverIsTypedStaysAValue) {
    SetupAnswers answers{.subscribers = {"a\"b\\c"}, .prefixes = {"192.0.2.0/24"}};
    const auto config = parse_config(setup_toml(answers), "sekisho.toml");
    ASSERT_TRUE(config) << config.error().front().what;
    EXPECT_EQ(config->interfaces.at(0).name, "a\"b\\c");
    for (const char* const odd : {"x\ny", "x\"]\n[api]", "x\x01y", "\xff", "x\ty"}) {
        answers.subscribers = {odd};
        EXPECT_TRUE(setup_complaint(answers)) << testing::PrintToString(odd);
    }
}

}  // namespace

}  // namespace sekisho::cli
