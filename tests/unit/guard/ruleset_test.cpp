// SPDX-License-Identifier: Apache-2.0
// The guard's rules as text, and what is made of nft's listings. That nftables understands the one and prints
// the other is shown by tests/system/test_guard.py.
#include "agent/guard/ruleset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sekisho::guard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Plan plan() {
    return {.names = {{.pattern = "ppp0", .closed = false},
                      {.pattern = "ppp*", .closed = true},
                      {.pattern = "eth1", .closed = true}},
            .ports = {25, 26},
            .servers = {parse_prefix("192.0.2.0/24").value(), parse_prefix("2001:db8::/32").value()}};
}

Config config_of(const std::string& interfaces) {
    return parse_config(interfaces + "[[designated]]\nname = \"mail\"\nprefixes = [\"192.0.2.25\"]\n",
                        "/etc/sekisho/sekisho.toml")
        .value();
}

TEST(Plan, IsTheConfigurationsUpToTheLastThatIsClosed) {
    const Plan made =
        plan_of(config_of("[[interface]]\nname = \"up0\"\nside = \"uplink\"\n"
                          "[[interface]]\nname = \"e?h*\"\n"
                          "[[interface]]\nname = \"ppp*\"\nuntil_judged = \"drop\"\n"
                          "[[interface]]\nname = \"*\"\n"));
    EXPECT_EQ(made.names, (std::vector<NameRule>{{.pattern = "up0", .closed = false},
                                                 {.pattern = "ppp*", .closed = true}}));
    EXPECT_EQ(made.ports, std::vector<std::uint16_t>{25});
    EXPECT_EQ(made.servers, std::vector<Prefix>{parse_prefix("192.0.2.25/32").value()});
    EXPECT_TRUE(made.closes());
    EXPECT_FALSE(plan_of(config_of("[[interface]]\nname = \"ppp*\"\n")).closes());
}

TEST(Ruleset, AsksInTheConfigurationsOrder) {
    const std::string text = boot_ruleset(Table::inet, plan(), {"eth1.10"});
    EXPECT_THAT(text, HasSubstr("add rule inet sekisho forward tcp dport { 25, 26 } jump guard\n"
                                "add rule inet sekisho guard iif @judged return\n"
                                "add rule inet sekisho guard meta sdif @judged return\n"
                                "add rule inet sekisho guard ip daddr @servers4 return\n"
                                "add rule inet sekisho guard ip6 daddr @servers6 return\n"));
    EXPECT_THAT(text, HasSubstr("add rule inet sekisho guard iifname @stacked goto closed\n"
                                "add rule inet sekisho guard iifname \"ppp0\" return\n"
                                "add rule inet sekisho guard iifname \"ppp*\" goto closed\n"
                                "add rule inet sekisho guard iifname \"eth1\" goto closed\n"
                                "add rule inet sekisho closed counter name \"dropped\" drop\n"));
    EXPECT_THAT(text, AllOf(HasSubstr("add element inet sekisho stacked { \"eth1.10\" }\n"),
                            HasSubstr("add element inet sekisho servers4 { 192.0.2.0/24 }\n"),
                            HasSubstr("add element inet sekisho servers6 { 2001:db8::/32 }\n")));
}

TEST(Ruleset, OfBridgesKnowsNoSlaves) {
    const std::string text = boot_ruleset(Table::bridge, plan(), {});
    EXPECT_THAT(text, AllOf(HasSubstr("add rule bridge sekisho prerouting tcp dport { 25, 26 } jump guard\n"),
                            HasSubstr("add rule bridge sekisho guard iifname \"eth1\" goto closed\n"),
                            Not(HasSubstr("sdif")), Not(HasSubstr("inet")),
                            Not(HasSubstr("add element bridge sekisho stacked"))));
}

TEST(Ruleset, ForTheNextBootLeavesThoseThatAreJudgedAlone) {
    const std::string boot = boot_ruleset(Table::inet, plan(), {});
    EXPECT_THAT(boot, AllOf(Not(HasSubstr("flush set inet sekisho judged")),
                            Not(HasSubstr("element inet sekisho judged")), Not(HasSubstr("delete"))));
    const std::string now = ruleset(Table::inet, plan(), {.stacked = {}, .judged = {7, 4}});
    EXPECT_EQ(now, boot + "flush set inet sekisho judged\nadd element inet sekisho judged { 4, 7 }\n");
}

TEST(Ruleset, NamesThatAreNoneForNftables) {
    Plan odd = plan();
    odd.names = {{.pattern = "fifteen-letters*", .closed = true},
                 {.pattern = "sixteen-letters-*", .closed = true},
                 {.pattern = "*", .closed = true}};
    const std::string text = boot_ruleset(Table::bridge, odd, {});
    EXPECT_THAT(text,
                AllOf(HasSubstr("guard iifname \"fifteen-letters\" goto closed\n"), Not(HasSubstr("sixteen")),
                      HasSubstr("add rule bridge sekisho guard goto closed\n")));
    EXPECT_THAT(boot_ruleset(Table::inet, odd, {}),
                HasSubstr("guard iifname \"fifteen-letters\" goto closed\n"
                          "add rule inet sekisho guard goto closed\n"
                          "add rule inet sekisho closed"))
        << "all the rest, behind everything else";
    EXPECT_THAT(boot_ruleset(Table::inet, odd, {}),
                HasSubstr("guard meta sdifname \"fifteen-letters\" goto closed\n"
                          "add rule inet sekisho guard iifname @stacked"));
}

TEST(Changes, AreTheDifference) {
    const State from{.stacked = {"eth1.10"}, .judged = {3, 4}};
    EXPECT_EQ(changes(Table::inet, from, from), "");
    EXPECT_EQ(changes(Table::inet, from, {.stacked = {"eth1.20"}, .judged = {4, 9}}),
              "delete element inet sekisho judged { 3 }\n"
              "add element inet sekisho judged { 9 }\n"
              "delete element inet sekisho stacked { \"eth1.10\" }\n"
              "add element inet sekisho stacked { \"eth1.20\" }\n");
}

TEST(Tables, AreFoundByTheirWholeNames) {
    EXPECT_TRUE(is_listed(Table::inet, "table ip filter\ntable inet sekisho\n"));
    EXPECT_FALSE(is_listed(Table::bridge, "table ip filter\ntable inet sekisho\n"));
    EXPECT_FALSE(is_listed(Table::inet, "table inet sekisho_lab\n"));
}

constexpr const char* listed =
    R"({"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "sekisho"}},
    {"counter": {"family": "inet", "name": "dropped", "table": "sekisho", "packets": 12, "bytes": 720}},
    {"set": {"name": "judged", "type": "iface_index", "elem": ["lo", "v1", "77"]}},
    {"set": {"name": "stacked", "type": "ifname"}}, {"set": {"name": "servers4", "elem": [1, 2]}},
    {"chain": {"name": "guard"}}, {"rule": {"chain": "forward"}}, {"rule": {"chain": "guard"}}]})";

TEST(Listing, IsRead) {
    EXPECT_EQ(read_listing(listed), (Listing{.rules = 2, .stacked = 0, .judged = 3, .dropped = 12}));
    for (const char* const broken : {"", "{", "[]", R"({"nftables": 3})"}) {
        EXPECT_FALSE(read_listing(broken)) << broken;
    }
}

TEST(Listing, ShowsWhatSomebodyHasTakenAway) {
    const State state{.stacked = {"eth1.10"}, .judged = {3, 4}};
    const Listing whole{.rules = 9, .stacked = 1, .judged = 2, .dropped = 0};
    EXPECT_TRUE(is_whole(whole, Table::bridge, plan(), state));
    for (const Listing& less : {Listing{.rules = 8, .stacked = 1, .judged = 2, .dropped = 0},
                                Listing{.rules = 9, .stacked = 0, .judged = 2, .dropped = 0},
                                Listing{.rules = 9, .stacked = 1, .judged = 1, .dropped = 0}}) {
        EXPECT_FALSE(is_whole(less, Table::bridge, plan(), state));
    }
    EXPECT_FALSE(is_whole(whole, Table::inet, plan(), state)) << "it has rules for interfaces in a VRF, too";
}

}  // namespace
}  // namespace sekisho::guard
