// SPDX-License-Identifier: Apache-2.0
// [radius], [[radius.client]] and [[contract]]: who tells of sessions, and which are always open.
#include <gmock/gmock.h>

#include <string>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

const std::string radius_head = "[radius]\nlisten = [\"192.0.2.1\"]\n";
const std::string bng = "[[radius.client]]\nname = \"bng1\"\nsecret_file = \"/s\"\n";
const std::string bng_with_prefix = bng + "prefixes = [\"198.51.100.0/28\"]\n";
const std::string nas = "[[radius.client.nas]]\n";
const std::string radius = radius_head + bng_with_prefix;
const std::string contract = "[[contract]]\nname = \"static\"\n";

TEST(ConfigRadius, IsRead) {
    const auto config = parse_config(
        "[radius]\nlisten = [\"192.0.2.1\", \"2001:db8::1\"]\nport = 1646\nmax_sessions = 16777216\n" +
            bng_with_prefix + "interim_interval = \"10m\"\n" +
            "[[radius.client]]\nname = \"proxy\"\nprefixes = [\"198.51.100.8/29\", \"2001:db8::/64\"]\n"
            "secret_file = \"/p\"\n"
            "[[radius.client.nas]]\nname = \"bras 1\"\ninterim_interval = \"5m\"\n"
            "[[radius.client.nas]]\nname = \"198.51.100.9\"\ninterim_interval = \"1h\"\n",
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_TRUE(config->radius);
    ASSERT_EQ(config->radius->listen.size(), 2U);
    EXPECT_EQ(config->radius->listen[1].text(), "2001:db8::1");
    EXPECT_EQ(config->radius->port, 1646);
    EXPECT_EQ(config->radius->max_sessions, 16'777'216U);
    ASSERT_EQ(config->radius->clients.size(), 2U);
    const RadiusClientConfig& first = config->radius->clients[0];
    EXPECT_EQ(first.name, "bng1");
    ASSERT_EQ(first.prefixes.size(), 1U);
    EXPECT_EQ(first.prefixes[0].text(), "198.51.100.0/28");
    EXPECT_EQ(first.secret_file, "/s");
    EXPECT_EQ(first.interim_interval, 10min);
    const RadiusClientConfig& second = config->radius->clients[1];
    EXPECT_EQ(second.name, "proxy");
    EXPECT_EQ(second.prefixes.size(), 2U);
    EXPECT_EQ(second.secret_file, "/p");
    EXPECT_FALSE(second.interim_interval);
    EXPECT_TRUE(first.nas.empty());
    ASSERT_EQ(second.nas.size(), 2U);
    EXPECT_EQ(second.nas[0].name, "bras 1");
    EXPECT_EQ(second.nas[0].interim_interval, 5min);
    EXPECT_EQ(second.nas[1].name, "198.51.100.9");
    EXPECT_EQ(second.nas[1].interim_interval, 1h);
}

TEST(ConfigRadius, LittleIsNeeded) {
    EXPECT_FALSE(parse_config("", "x.toml")->radius);
    const auto config = parse_config(radius, "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    EXPECT_EQ(config->radius->port, 1813);
    EXPECT_EQ(config->radius->max_sessions, 1'000'000U);
    for (const char* interval : {"1m", "24h"}) {
        EXPECT_TRUE(parse_config(radius + "interim_interval = \"" + interval + "\"\n", "x.toml")) << interval;
    }
    EXPECT_TRUE(parse_config(radius_head + "max_sessions = 16\n" + bng_with_prefix, "x.toml"));
}

struct SubscribersMistake {
    std::string text;
    int line;
    const char* what;
    const char* remedy;
};

void expect_the_one_complaint(const SubscribersMistake& mistake) {
    const auto config = parse_config(mistake.text, "x.toml");
    ASSERT_FALSE(config) << mistake.text;
    ASSERT_EQ(config.error().size(), 1U) << mistake.text << text("x.toml", config.error());
    const ConfigError& complaint = config.error().front();
    EXPECT_EQ(complaint.line, mistake.line) << mistake.text;
    EXPECT_THAT(complaint.what, HasSubstr(mistake.what)) << mistake.text;
    EXPECT_THAT(complaint.remedy, HasSubstr(mistake.remedy)) << mistake.text;
}

TEST(ConfigRadius, MistakesAreSaidWithTheirPlace) {
    for (const SubscribersMistake& mistake : {
             SubscribersMistake{"[radius]\n" + bng_with_prefix, 1, "has no \"listen\"", "add it"},
             SubscribersMistake{bng_with_prefix, 1, "has no \"listen\"", "add it"},
             SubscribersMistake{"[radius]\nlisten = []\n" + bng_with_prefix, 2, "names no address",
                                "one of this box's"},
             SubscribersMistake{"[radius]\nlisten = [\n\"::1\",\n\"box\"]\n" + bng_with_prefix, 4,
                                "not an IP address", "192.0.2.1"},
             SubscribersMistake{"[radius]\nlisten = \"::1\"\n" + bng_with_prefix, 2, "must be an array", ""},
             SubscribersMistake{"[radius]\nlisten = [\"::1\",\n\"192.0.2.1\",\n\"::1\"]\n" + bng_with_prefix,
                                4, "::1 port 1813 is listened to already, at line 2",
                                "name each address once"},
             SubscribersMistake{"[radius]\nlisten = [\"0.0.0.0\",\n\"192.0.2.1\"]\n" + bng_with_prefix, 3,
                                "192.0.2.1 port 1813 is listened to already, at line 2",
                                "0.0.0.0 and :: stand for all"},
             SubscribersMistake{radius_head + "port = 0\n" + bng_with_prefix, 3, "from 1 to 65535", ""},
             SubscribersMistake{radius_head + "max_sessions = 15\n" + bng_with_prefix, 3,
                                "from 16 to 16777216", ""},
             SubscribersMistake{radius_head + "max_sessions = 16777217\n" + bng_with_prefix, 3,
                                "from 16 to 16777216", ""},
             SubscribersMistake{radius_head, 1, "radius.client: nobody may send accounting",
                                "add a [[radius.client]]"},
             SubscribersMistake{radius_head + "client = []\n", 3, "nobody may send accounting",
                                "add a [[radius.client]]"},
             SubscribersMistake{radius_head + "client = 1\n", 3, "must be an array of tables",
                                "[[radius.client]]"},
             SubscribersMistake{radius + "[[radius]]\n", 7, "", ""},
         }) {
        expect_the_one_complaint(mistake);
    }
}

TEST(ConfigRadius, MistakesOfClientsAreSaidWithTheirPlace) {
    const std::string second = "[[radius.client]]\nname = \"bng2\"\nsecret_file = \"/s\"\n";
    for (const SubscribersMistake& mistake : {
             SubscribersMistake{
                 radius_head + "[[radius.client]]\nprefixes = [\"::1\"]\nsecret_file = \"/s\"\n", 3,
                 "has no \"name\"", "add it"},
             SubscribersMistake{radius_head + bng, 3, "has no \"prefixes\"", "add it"},
             SubscribersMistake{radius_head + "[[radius.client]]\nname = \"a\"\nprefixes = [\"::1\"]\n", 3,
                                "has no \"secret_file\"", "add it"},
             SubscribersMistake{radius_head + bng + "prefixes = []\n", 6, "must not be empty", "192.0.2.0"},
             SubscribersMistake{radius_head + bng + "prefixes = [\"0.0.0.0/0\"]\n", 6, "wider than /8",
                                "really meant"},
             SubscribersMistake{
                 radius_head + "[[radius.client]]\nname = \"a\"\nprefixes = [\"::1\"]\nsecret_file = \"s\"\n",
                 6, "absolute path", "/"},
             SubscribersMistake{radius + "interim_interval = \"59s\"\n", 7, "must be 1m to 24h", "is learnt"},
             SubscribersMistake{radius + "interim_interval = \"86401s\"\n", 7, "must be 1m to 24h",
                                "is learnt"},
             SubscribersMistake{radius + "interim_interval = 600\n", 7, "must be a string", ""},
             SubscribersMistake{radius + nas + "interim_interval = \"1m\"\n", 7, "has no \"name\"", "add it"},
             SubscribersMistake{radius + nas + "name = \"\"\ninterim_interval = \"1m\"\n", 8,
                                "must not be empty", ""},
             SubscribersMistake{radius + nas + "name = \"a\"\n", 7, "has no \"interim_interval\"", "add it"},
             SubscribersMistake{radius + nas + "name = \"a\"\ninterim_interval = \"25h\"\n", 9,
                                "must be 1m to 24h", "is set to"},
             SubscribersMistake{radius + nas + "name = \"a\"\ninterim_interval = \"1h\"\n" + nas +
                                    "interim_interval = \"1h\"\nname = \"a\"\n",
                                12, "is there already", "each once"},
             SubscribersMistake{radius + bng + "prefixes = [\"::1\"]\n", 7,
                                "[[radius.client]] \"bng1\" is there already, at line 3", "of its own"},
             SubscribersMistake{radius + second + "prefixes = [\"::1\",\n\"198.51.100.0/28\"]\n", 11,
                                "198.51.100.0/28 is of [[radius.client]] \"bng1\" already, at line 6",
                                "once"},
             SubscribersMistake{radius_head + bng + "prefixes = [\"::1\",\n\"::1/128\"]\n", 7,
                                "::1/128 is of [[radius.client]] \"bng1\" already, at line 6", "once"},
         }) {
        expect_the_one_complaint(mistake);
    }
    // One within another is not the same: the longest counts.
    EXPECT_TRUE(parse_config(radius + second + "prefixes = [\"198.51.100.0/29\"]\n", "x.toml"));
}

TEST(ConfigRadius, ListensWhereNoOtherDoes) {
    const std::string syslog =
        "[[login.syslog]]\nname = \"mail\"\nlisten = \"192.0.2.1\"\nport = 1813\n"
        "senders = [\"192.0.2.2\"]\n";
    expect_the_one_complaint({syslog + radius, 7, "192.0.2.1 port 1813 is listened to already, at line 1",
                              "none of another section"});
    expect_the_one_complaint({syslog + "[radius]\nlisten = [\"::\", \"0.0.0.0\"]\n" + bng_with_prefix, 7,
                              "0.0.0.0 port 1813 is listened to already, at line 1",
                              "none of another section"});
    EXPECT_TRUE(parse_config(syslog + "transport = \"tcp\"\n" + radius, "x.toml"));
    EXPECT_TRUE(parse_config(syslog + radius_head + "port = 1812\n" + bng_with_prefix, "x.toml"));
}

TEST(ConfigContract, IsRead) {
    const auto config = parse_config(contract +
                                         "class = [\"static*\", \"biz\"]\nfilter_id = [\"smtp-?\"]\n"
                                         "users = \"/etc/sekisho/static.users\"\n"
                                         "[[contract]]\nname = \"other\"\nfilter_id = [\"x\"]\n",
                                     "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    EXPECT_FALSE(config->radius);  // sessions may come from elsewhere
    ASSERT_EQ(config->contracts.size(), 2U);
    const ContractConfig& first = config->contracts[0];
    EXPECT_EQ(first.name, "static");
    EXPECT_EQ(first.classes, (std::vector<std::string>{"static*", "biz"}));
    EXPECT_EQ(first.filters, std::vector<std::string>{"smtp-?"});
    EXPECT_EQ(first.users, "/etc/sekisho/static.users");
    EXPECT_EQ(config->contracts[1].name, "other");
    EXPECT_TRUE(config->contracts[1].users.empty());
}

TEST(ConfigContract, OneMarkIsEnough) {
    for (const char* mark : {"class = [\"a\"]\n", "filter_id = [\"a\"]\n", "users = \"/u\"\n"}) {
        EXPECT_TRUE(parse_config(contract + mark, "x.toml")) << mark;
    }
}

TEST(ConfigContract, MistakesAreSaidWithTheirPlace) {
    const std::string good = contract + "class = [\"a\"]\n";
    for (const SubscribersMistake& mistake : {
             SubscribersMistake{contract, 1, "nobody has this contract", "one of them"},
             SubscribersMistake{"[[contract]]\nclass = [\"a\"]\n", 1, "has no \"name\"", "add it"},
             SubscribersMistake{"[[contract]]\nname = \"a b\"\nclass = [\"a\"]\n", 2, "can't be a name", ""},
             SubscribersMistake{contract + "class = []\n", 3, "contract.class: names no pattern",
                                "leave it out"},
             SubscribersMistake{good + "filter_id = []\n", 4, "contract.filter_id: names no pattern",
                                "leave it out"},
             SubscribersMistake{contract + "class = [\"a\",\n\"\"]\n", 4,
                                "contract.class: must hold strings that are not empty", ""},
             SubscribersMistake{contract + "filter_id = [\"\"]\n", 3,
                                "contract.filter_id: must hold strings that are not empty", ""},
             SubscribersMistake{contract + "class = \"a\"\n", 3, "must be an array of strings", ""},
             SubscribersMistake{contract + "users = \"users\"\n", 3, "absolute path", "/"},
             SubscribersMistake{contract + "users = \"\"\n", 3, "must not be empty", ""},
             SubscribersMistake{good + "classes = [\"a\"]\n", 4, "unknown key \"contract.classes\"",
                                "\"class\""},
             SubscribersMistake{good + good, 4, "[[contract]] \"static\" is there already, at line 1",
                                "of its own"},
         }) {
        expect_the_one_complaint(mistake);
    }
}

}  // namespace
}  // namespace sekisho
