// SPDX-License-Identifier: Apache-2.0
// [grants] and [[grants.rule]]: what logins open.
#include <gmock/gmock.h>

#include <string>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

const std::string some_reporter = "[[login.log]]\nname = \"mail.log\"\nfile = \"/var/log/mail.log\"\n";
const std::string named = "[[grants.rule]]\nname = \"one\"\n";

TEST(ConfigGrants, RulesAreRead) {
    const auto config = parse_config(
        "[grants]\ntls = \"required\"\naddresses_per_user = 3\nother_family = true\n"
        "scope = [\"edge\", \"relay\"]\n" +
            named +
            "reporters = [\"mail.log\", \"submission\"]\nprotocols = [\"imap\", \"pop3\"]\n"
            "users = [\"*@Example.net\"]\n"
            "opens = false\nlifetime = \"30m\"\nbudget = 20\ntls = \"any\"\naddresses_per_user = 0\n"
            "other_family = false\nscope = [\"relay\"]\n[[grants.rule]]\nname = \"two\"\n" +
            some_reporter,
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    EXPECT_TRUE(config->grants.tls_required);
    EXPECT_EQ(config->grants.addresses_per_user, 3U);
    EXPECT_TRUE(config->grants.other_family);
    ASSERT_EQ(config->grants.rules.size(), 2U);
    const GrantRuleConfig& one = config->grants.rules[0];
    EXPECT_EQ(one.name, "one");
    EXPECT_THAT(one.reporters, ElementsAre("mail.log", "submission"));
    EXPECT_THAT(one.protocols, ElementsAre("imap", "pop3"));
    EXPECT_THAT(one.users, ElementsAre("*@example.net"));
    EXPECT_FALSE(one.opens);
    EXPECT_EQ(one.lifetime, 30min);
    EXPECT_EQ(one.budget, 20U);
    EXPECT_EQ(one.tls_required, false);
    EXPECT_EQ(one.addresses_per_user, 0U);
    EXPECT_EQ(one.other_family, false);
    EXPECT_EQ(config->grants.scope, (Scope{.edge = true, .relay = true}));
    EXPECT_EQ(one.scope, (Scope{.edge = false, .relay = true}));
    const GrantRuleConfig& two = config->grants.rules[1];
    EXPECT_THAT(two.reporters, IsEmpty());
    EXPECT_THAT(two.protocols, IsEmpty());
    EXPECT_TRUE(two.opens);
    EXPECT_FALSE(two.lifetime || two.budget || two.tls_required || two.addresses_per_user ||
                 two.other_family || two.scope);
}

TEST(ConfigGrants, NothingIsNeeded) {
    const auto config = parse_config("", "x.toml");
    EXPECT_FALSE(config->grants.tls_required);
    EXPECT_EQ(config->grants.addresses_per_user, 0U);
    EXPECT_FALSE(config->grants.other_family);
    EXPECT_EQ(config->grants.scope, Scope());
    EXPECT_THAT(config->grants.rules, IsEmpty());
}

TEST(ConfigGrants, MistakesAreSaidWithTheirPlace) {
    struct GrantsMistake {
        std::string text;
        int line;
        const char* what;
        const char* remedy;
    };
    for (const auto& [wrong, line, what, remedy] : {
             GrantsMistake{"[grants]\ntls = \"yes\"", 2, "tls", "required"},
             {"[grants]\naddresses_per_user = -1", 2, "whole number from 0", ""},
             {"[grants]\naddresses_per_user = 65001", 2, "to 65000", ""},
             {"[[grants.rule]]\nbudget = 3", 1, "has no \"name\"", "add it"},
             {named + "budget = 1000000001", 3, "to 1000000000", ""},
             {named + "protocols = []", 3, "names none", "leave it out"},
             {named + "reporters = []", 3, "names none", "leave it out"},
             {named + "protocols = [\"POP3\"]", 3, "no protocol: \"POP3\"", "pop3"},
             {named + "reporters = [\"mail1\"]", 1, "there is no reporter \"mail1\"", "[login]"},
             {named + "lifetime = \"25h\"", 3, "longer than grants.longest", "raise"},
             {named + "opens = \"no\"", 3, "true or false", ""},
             {named + "scope = \"edge\"", 3, "must be an array", ""},
             {named + "scope = []", 3, "names none", "[\"edge\"]"},
             {named + R"(scope = ["edge", "mail"])", 3, "\"mail\" is no scope", "[\"edge\"]"},
             {named + "colour = \"red\"", 3, "unknown", ""},
             {named + "[[grants.rule]]\nname = \"two\"\nbudget = 1", 3, "never reached", "above"},
             {named + "budget = 1\nprotocols = [\"imap\"]\n" + named + "protocols = [\"pop3\"]", 5,
              "is there already", "a name of its own"},
         }) {
        const auto config = parse_config(wrong, "x.toml");
        ASSERT_FALSE(config) << wrong;
        ASSERT_EQ(config.error().size(), 1U) << wrong << text("x.toml", config.error());
        EXPECT_EQ(config.error()[0].line, line) << wrong;
        EXPECT_THAT(config.error()[0].what, HasSubstr(what)) << wrong;
        EXPECT_THAT(config.error()[0].remedy, HasSubstr(remedy)) << wrong;
    }
}

TEST(ConfigEvents, TheyStandBesideTheStore) {
    EXPECT_EQ(parse_config("", "x.toml")->events.file({}), "/var/lib/sekisho/agent-events.db");
    const auto config = parse_config(
        "[events]\npath = \"/log/audit.db\"\nkeep = \"7d\"\nkeep_mib = 20\n[store]\npath = \"/a/b.db\"\n",
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    EXPECT_EQ(config->events.file(config->store), "/log/audit.db");
    EXPECT_EQ(config->events.keep, 7 * 24h);
    EXPECT_EQ(config->events.keep_mib, 20U);
    EXPECT_EQ(EventsConfig{}.file(config->store), "/a/b-events.db");
    for (const char* wrong : {"path = \"audit.db\"", "keep = \"0s\"", "keep = \"3661d\"", "keep_mib = 0"}) {
        EXPECT_FALSE(parse_config(std::string("[events]\n") + wrong, "x.toml")) << wrong;
    }
}

}  // namespace
}  // namespace sekisho
