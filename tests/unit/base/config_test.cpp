// SPDX-License-Identifier: Apache-2.0
// The configuration: what is read, and each complaint with its place and remedy.
#include "agent/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const std::filesystem::path usual_place = "/etc/sekisho/sekisho.toml";

constexpr const char* whole = R"([dataplane]
pin_path = "/sys/fs/bpf/box"
max_entries = 1024
ports = [25, 2525]
answers_per_second = 0
max_flows = 2048
flows_per_subscriber = 10
flow_idle = "10m"
inbound_replies = "off"
icmp_source_ipv4 = "192.0.2.1"
icmp_source_ipv6 = "2001:db8::1"
[[interface]]
name = "sub-*"
[[interface]]
name = "up0"
side = "uplink"
attach = "xdp-generic"
[[interface]]
name = "ppp*"
source_validation = "pool"
pools = ["dsl"]
fast_path = true
tunnels = "inspect"
[[pool]]
name = "dsl"
prefixes = ["192.0.2.0/24", "2001:db8:100::/40"]
ipv6_key = 56
action = "reset"
[[pool]]
name = "cgnat"
prefixes = ["198.51.100.128/25"]
shared = true
[[designated]]
name = "mail"
prefixes = ["198.51.100.25", "2001:db8:25::25"]
[foreign_dynamic]
file = "/etc/box/foreign"
servers = ["198.51.100.25"]
action = "drop"
[grants]
lifetime = "90s"
longest = "1h30m"
budget = 20
window = "30s"
window_connections = 5
cool_down = "1h"
[api]
socket = "/run/box.sock"
operators = ["alice"]
viewers = ["bob", "carol"]
[store]
path = "/var/lib/box.db"
[[login.dovecot]]
name = "mail1"
listen = "198.51.100.1"
port = 4002
key_file = "/etc/box.key"
reporters = ["198.51.100.25", "2001:db8:25::/64"]
proof = "authed=ok=yes"
lifetime = "3s"
)";

TEST(Config, ReadsEachSection) {
    const auto config = parse_config(whole, usual_place);
    ASSERT_TRUE(config) << text(usual_place, config.error());
    EXPECT_EQ(config->file, usual_place);
    EXPECT_EQ(config->dataplane.pin_path, "/sys/fs/bpf/box");
    EXPECT_EQ(config->dataplane.max_entries, 1024U);
    EXPECT_EQ(config->dataplane.ports, (std::vector<std::uint16_t>{25, 2525}));
    EXPECT_EQ(config->dataplane.answers_per_second, 0U);
    EXPECT_EQ(config->dataplane.max_flows, 2048U);
    EXPECT_EQ(config->dataplane.flows_per_subscriber, 10U);
    EXPECT_EQ(config->dataplane.flow_idle, 10min);
    EXPECT_EQ(config->dataplane.inbound_replies, Replies::off);
    EXPECT_EQ(config->dataplane.icmp_source_ipv4, parse_address("192.0.2.1").value());
    EXPECT_EQ(config->dataplane.icmp_source_ipv6, parse_address("2001:db8::1").value());
    ASSERT_EQ(config->interfaces.size(), 3U);
    EXPECT_TRUE(config->interfaces[2].validate_source);
    EXPECT_EQ(config->interfaces[2].pools, std::set<std::string>{"dsl"});
    EXPECT_TRUE(config->interfaces[2].fast_path);
    EXPECT_EQ(config->interfaces[0].name, "sub-*");
    EXPECT_EQ(config->interfaces[0].side, Side::subscriber);
    EXPECT_EQ(config->interfaces[0].attach, Attach::automatic);
    EXPECT_EQ(config->interfaces[0].tunnels, Tunnels::pass);
    EXPECT_FALSE(config->interfaces[0].validate_source);
    EXPECT_TRUE(config->interfaces[0].pools.empty());
    EXPECT_FALSE(config->interfaces[0].fast_path);
    EXPECT_EQ(config->interfaces[1].side, Side::uplink);
    EXPECT_EQ(config->interfaces[1].attach, Attach::xdp_generic);
    EXPECT_EQ(config->interfaces[2].tunnels, Tunnels::inspect);
    EXPECT_EQ(config->grants.lifetime, 90s);
    EXPECT_EQ(config->grants.longest, 90min);
    EXPECT_EQ(config->grants.budget, 20U);
    EXPECT_EQ(config->grants.window, 30s);
    EXPECT_EQ(config->grants.window_connections, 5U);
    EXPECT_EQ(config->grants.cool_down, 1h);
    EXPECT_EQ(config->api.socket, "/run/box.sock");
    EXPECT_EQ(config->api.operators, std::vector<std::string>{"alice"});
    EXPECT_EQ(config->api.viewers, (std::vector<std::string>{"bob", "carol"}));
    EXPECT_EQ(config->store.path, "/var/lib/box.db");
}

TEST(Config, ReadsPoolsAndServers) {
    const auto config = parse_config(whole, usual_place);
    ASSERT_TRUE(config);
    ASSERT_EQ(config->pools.size(), 2U);
    EXPECT_EQ(config->pools[0].name, "dsl");
    ASSERT_EQ(config->pools[0].prefixes.size(), 2U);
    EXPECT_EQ(config->pools[0].prefixes[1].text(), "2001:db8:100::/40");
    EXPECT_EQ(config->pools[0].key_length_ipv6, 56);
    EXPECT_EQ(config->pools[0].action, Action::reset);
    EXPECT_FALSE(config->pools[0].shared);
    EXPECT_EQ(config->pools[1].action, Action::monitor);
    EXPECT_EQ(config->pools[1].key_length_ipv6, 64);
    EXPECT_TRUE(config->pools[1].shared);
    ASSERT_EQ(config->designated.size(), 1U);
    EXPECT_EQ(config->designated[0].prefixes[0].text(), "198.51.100.25/32");
    ASSERT_TRUE(config->foreign_dynamic);
    EXPECT_EQ(config->foreign_dynamic->file, "/etc/box/foreign");
    EXPECT_EQ(config->foreign_dynamic->servers.size(), 1U);
    EXPECT_EQ(config->foreign_dynamic->action, Action::drop);
    ASSERT_EQ(config->dovecot.size(), 1U);
    const DovecotConfig& login = config->dovecot[0];
    EXPECT_EQ(login.listen.text(), "198.51.100.1");
    EXPECT_EQ(login.port, 4002);
    EXPECT_EQ(login.key_file, "/etc/box.key");
    EXPECT_EQ(login.reporters.size(), 2U);
    ASSERT_TRUE(login.proof);
    EXPECT_EQ(login.proof->first, "authed");
    EXPECT_EQ(login.proof->second, "ok=yes");
    EXPECT_EQ(login.lifetime, 3s);
}

TEST(Config, NothingGivenMeansTheDefaults) {
    const auto config = parse_config("", usual_place);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->dataplane.ports, std::vector<std::uint16_t>{25});
    EXPECT_EQ(config->grants.lifetime, 10min);
    EXPECT_EQ(config->grants.longest, 24h);
    EXPECT_EQ(config->dataplane.answers_per_second, 10'000U);
    EXPECT_EQ(config->dataplane.flows_per_subscriber, 100U);
    EXPECT_EQ(config->dataplane.flow_idle, 15min);
    EXPECT_TRUE(config->pools.empty());
}

// One mistake: the complaint's line, words of it, words of its remedy.
struct Mistake {
    const char* name;
    const char* toml;
    int line;
    const char* what;
    const char* remedy;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
    *out << mistake.name;
}

class ConfigMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistake, IsTheOneComplaint) {
    const Mistake& mistake = GetParam();
    const auto config = parse_config(mistake.toml, usual_place);
    ASSERT_FALSE(config);
    ASSERT_EQ(config.error().size(), 1U) << text(usual_place, config.error());
    const ConfigError& complaint = config.error().front();
    EXPECT_EQ(complaint.line, mistake.line) << complaint.what;
    EXPECT_GE(complaint.column, 1);
    EXPECT_THAT(complaint.what, HasSubstr(mistake.what));
    EXPECT_THAT(complaint.remedy, HasSubstr(mistake.remedy));
    EXPECT_EQ(complaint.what.find('\n'), std::string::npos);
}

constexpr const char* dovecot_start = R"([[login.dovecot]]
name = "mail1"
listen = "198.51.100.1"
key_file = "/etc/key"
reporters = ["198.51.100.25"]
)";

const Mistake syntax_mistakes[] = {
    {"Syntax", "[dataplane]\nports = [25", 2, "", "toml"},
    {"KeyTwice", "[api]\nsocket = \"/a\"\nsocket = \"/b\"", 3, "", ""},
    {"UnknownKeyNear", "[dataplane]\nmax_entires = 16", 2, "dataplane.max_entires", "\"max_entries\""},
    {"UnknownKeyFar", "[store]\ncolour = 1", 2, "store.colour", "known here: path"},
    {"UnknownSection", "[[pools]]\nname = \"a\"", 1, "unknown key \"pools\"", "\"pool\""},
    {"UnknownKeyWithControls", R"("a\u001bb" = 1)", 1, R"(a\x1bb)", ""},
    {"LoginOfAnotherKind", "[[login.courier]]", 1, "login.courier", "dovecot"},
    {"TableForArray", "[pool]\nname = \"a\"", 1, "array of tables", "[[pool]]"},
    {"ArrayForTable", "[[grants]]", 1, "must be a table", "[grants]"},
    {"DovecotAsTable", "[login.dovecot]\nname = \"a\"", 1, "array of tables", "[[login.dovecot]]"},
    {"ArrayOfNoTables", "pool = [1]", 1, "array of tables", "[[pool]]"},
};

const Mistake value_mistakes[] = {
    {"NumberAsText", "[dataplane]\nmax_entries = \"16\"", 2, "whole number from 16", ""},
    {"FractionAsNumber", "[dataplane]\nmax_entries = 16.5", 2, "whole number", ""},
    {"TooFewEntries", "[dataplane]\nmax_entries = 15", 2, "from 16 to 16777216", ""},
    {"TooManyEntries", "[dataplane]\nmax_entries = 16777217", 2, "from 16 to 16777216", ""},
    {"IcmpSourceOfTheOtherFamily", "[dataplane]\nicmp_source_ipv4 = \"2001:db8::1\"", 2, "is no IPv4 address",
     "name one"},
    {"IcmpSourceNoAddress", "[dataplane]\nicmp_source_ipv6 = \"box\"", 2, "is not an IP address",
     "192.0.2.1"},
    {"NegativeAnswers", "[dataplane]\nanswers_per_second = -1", 2, "whole number from 0", ""},
    {"NoPorts", "[dataplane]\nports = []", 2, "1 to 8 ports", "[25]"},
    {"NinePorts", "[dataplane]\nports = [1,2,3,4,5,6,7,8,9]", 2, "1 to 8 ports", ""},
    {"PortTwice", "[dataplane]\nports = [25, 25]", 2, "twice", ""},
    {"PortZero", "[dataplane]\nports = [0]", 2, "from 1 to 65535", ""},
    {"PortTooHigh", "[dataplane]\nports = [65536]", 2, "from 1 to 65535", ""},
    {"PortsNoArray", "[dataplane]\nports = 25", 2, "array of whole numbers", ""},
    {"RelativePath", "[store]\npath = \"agent.db\"", 2, "absolute path", "/"},
    {"RelativePinPath", "[dataplane]\npin_path = \"bpf\"", 2, "absolute path", "/"},
    {"EmptyText", "[store]\npath = \"\"", 2, "empty", ""},
    {"TextOfWrongType", "[store]\npath = 1", 2, "must be a string, not a whole number", ""},
    {"BareNumberAsDuration", "[grants]\nlifetime = \"600\"", 2, "not a duration", "10m"},
    {"ZeroDuration", "[grants]\nlifetime = \"0s\"", 2, "longer than nothing", ""},
    {"DurationAsNumber", "[grants]\nlifetime = 600", 2, "must be a string", ""},
    {"NegativeBudget", "[grants]\nbudget = -1", 2, "whole number from 0", ""},
    {"NegativeConnections", "[grants]\nwindow_connections = -1", 2, "whole number from 0", ""},
    {"WindowOfYears", "[grants]\nwindow = \"9000h\"", 2, "longer than a year", "60s"},
    {"CoolDownOfYears", "[grants]\ncool_down = \"9000h\"", 2, "longer than a year", "15m"},
    {"NoFlows", "[dataplane]\nmax_flows = 0", 2, "whole number from 16", ""},
    {"TooManyFlows", "[dataplane]\nflows_per_subscriber = 65001", 2, "whole number from 0", ""},
    {"FlowsForgottenAtOnce", "[dataplane]\nflow_idle = \"0s\"", 2, "longer than nothing", "10m"},
    {"FlowsForgottenNever", "[dataplane]\nflow_idle = \"9000h\"", 2, "longer than a year", "15m"},
    {"LifetimeBeyondLongest", "[grants]\nlifetime = \"2h\"\nlongest = \"1h\"", 2,
     "longer than grants.longest", "raise"},
    {"UserNotAString", "[api]\nviewers = [1]", 2, "strings", ""},
    {"UsersNoArray", "[api]\nviewers = \"bob\"", 2, "array of strings", ""},
};

const Mistake section_mistakes[] = {
    {"InterfaceWithoutName", "[[interface]]\nside = \"uplink\"", 1, "has no \"name\"", "add"},
    {"UnknownSide", "[[interface]]\nname = \"a\"\nside = \"uplnk\"", 3, "\"uplnk\"", "\"uplink\""},
    {"TunnelsOnTheUplinkSide", "[[interface]]\nname = \"a\"\nside = \"uplink\"\ntunnels = \"inspect\"", 4,
     "on the uplink side", "leave it out"},
    {"ValidationOnTheUplinkSide",
     "[[interface]]\nname = \"a\"\nside = \"uplink\"\nsource_validation = \"pool\"", 4, "on the uplink side",
     "leave it out"},
    {"PoolsWithoutValidation",
     "[[interface]]\nname = \"a\"\npools = [\"b\"]\n[[pool]]\nname = \"b\"\nprefixes = [\"192.0.2.0/24\"]", 3,
     "has no effect without source validation", "source_validation = \"pool\""},
    {"PoolsOfNobody", "[[interface]]\nname = \"a\"\nsource_validation = \"pool\"\npools = []", 4,
     "names no pool", "leave it out"},
    {"PoolsThatAreNot", "[[interface]]\nname = \"a\"\nsource_validation = \"pool\"\npools = [\"d\u009bl\"]",
     1, R"(there is no [[pool]] "d\u{9b}l")", "as their sections do"},
    {"FastPathByTc", "[[interface]]\nname = \"a\"\nfast_path = true\nattach = \"tc\"", 3, "needs native XDP",
     "leave fast_path out"},
    {"FastPathByGenericXdp", "[[interface]]\nname = \"a\"\nfast_path = true\nattach = \"xdp-generic\"", 3,
     "needs native XDP", "leave fast_path out"},
    {"UnknownTunnels", "[[interface]]\nname = \"a\"\ntunnels = \"drop\"", 3, "\"drop\"", "pass, inspect"},
    {"UnknownAttach", "[[interface]]\nname = \"a\"\nattach = \"native\"", 3, "\"native\"", "auto, xdp"},
    {"InterfaceNameTooLong", "[[interface]]\nname = \"sixteen-letters-\"", 2, "no interface can have",
     "ppp*"},
    {"InterfaceNameWithSlash", "[[interface]]\nname = \"a/*\"", 2, "no interface can have", ""},
    {"InterfaceTwice", "[[interface]]\nname = \"sub-*\"\n[[interface]]\nname = \"sub-*\"", 3, "line 1",
     "name of its own"},
    {"InterfaceNeverReached", "[[interface]]\nname = \"sub-*\"\n[[interface]]\nname = \"sub-1\"", 3,
     "never reached", "above"},
    {"UnknownUntilJudged", "[[interface]]\nname = \"a\"\nuntil_judged = \"block\"", 3, "\"block\"",
     "pass, drop"},
    {"ClosedUplink", "[[interface]]\nname = \"a\"\nside = \"uplink\"\nuntil_judged = \"drop\"", 4,
     "on the uplink side", "leave it out"},
    {"ClosedByAPatternThatNftablesLacks", "[[interface]]\nname = \"e?h*\"\nuntil_judged = \"drop\"", 3,
     "\"e?h*\", which nftables", "ppp*"},
    {"ClosedBelowAPatternThatNftablesLacks",
     "[[interface]]\nname = \"p[pq]p1\"\n[[interface]]\nname = \"ppp*\"\nuntil_judged = \"drop\"", 3,
     "\"p[pq]p1\" at line 1", "above"},
    {"PoolWithoutPrefixes", "[[pool]]\nname = \"a\"", 1, "has no \"prefixes\"", ""},
    {"PoolWithEmptyPrefixes", "[[pool]]\nname = \"a\"\nprefixes = []", 3, "must not be empty",
     "192.0.2.0/24"},
    {"PoolNameWithBlank", "[[pool]]\nname = \"a b\"\nprefixes = [\"192.0.2.0/24\"]", 2, "can't be a name",
     "letters"},
    {"PoolTwice",
     "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.0/25\"]\n[[pool]]\nname = \"a\"\nprefixes = "
     "[\"192.0.2.128/25\"]",
     4, "there already, at line 1", ""},
    {"BitsBehindTheLength", "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.1/24\"]", 3, "bits set",
     "192.0.2.0/24"},
    {"NoPrefix", "[[pool]]\nname = \"a\"\nprefixes = [\"dsl\"]", 3, "not an IP prefix", ""},
    {"PoolInTheReservedRange", "[[pool]]\nname = \"a\"\nprefixes = [\"::1:0:0:0:0/64\"]", 3, "::/32", ""},
    {"PoolAroundTheReservedRange", "[[pool]]\nname = \"a\"\nprefixes = [\"::/0\"]", 3, "::/32", ""},
    {"PoolOfMulticast", "[[pool]]\nname = \"a\"\nprefixes = [\"224.0.0.0/4\"]", 3, "no subscriber", ""},
    {"PoolNarrowerThanAKey", "[[pool]]\nname = \"a\"\nprefixes = [\"2001:db8::/65\"]", 3, "narrower",
     "ipv6_key to 65"},
    {"KeyTooShort", "[[pool]]\nname = \"a\"\nprefixes = [\"2001:db8::/40\"]\nipv6_key = 47", 4, "48 to 128",
     ""},
    {"SharedOfWrongType", "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.0/24\"]\nshared = \"no\"", 4,
     "true or false", ""},
    {"UnknownAction", "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.0/24\"]\naction = \"rest\"", 4,
     "\"rest\"", "\"reset\""},
    {"PoolsOverlap",
     "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.128/25\"]\n[[pool]]\nname = \"b\"\nprefixes = "
     "[\"192.0.2.0/24\"]",
     6, R"(192.0.2.0/24 of pool "b" overlaps 192.0.2.128/25 of pool "a" at line 3)", "one pool"},
    {"PrefixTwiceInAPool", "[[pool]]\nname = \"a\"\nprefixes = [\"192.0.2.0/24\",\n\"192.0.2.0/24\"]", 4,
     "overlaps", ""},
    {"DesignatedEverywhere", "[[designated]]\nname = \"a\"\nprefixes = [\"0.0.0.0/0\"]", 3, "wider than /8",
     "really meant"},
    {"DesignatedEverywhere6", "[[designated]]\nname = \"a\"\nprefixes = [\"::/0\"]", 3, "wider than /16",
     "really meant"},
    {"DesignatedTwice",
     "[[designated]]\nname = \"a\"\nprefixes = [\"192.0.2.1\"]\n[[designated]]\nname = \"a\"\nprefixes = "
     "[\"192.0.2.2\"]",
     4, "there already", ""},
    {"ForeignWithoutAFile", "[foreign_dynamic]\nservers = [\"192.0.2.1\"]", 1, "file", ""},
    {"ForeignWithoutServers", "[foreign_dynamic]\nfile = \"/x\"", 1, "servers", ""},
    {"ForeignToEverybody", "[foreign_dynamic]\nfile = \"/x\"\nservers = [\"0.0.0.0/0\"]", 3, "wider than /8",
     ""},
    {"ForeignGetNoAnswer", "[foreign_dynamic]\nfile = \"/x\"\nservers = [\"192.0.2.1\"]\naction = \"reset\"",
     4, "\"reset\"", ""},
    {"ForeignFileRelative", "[foreign_dynamic]\nfile = \"x\"\nservers = [\"192.0.2.1\"]", 2, "absolute", ""},
};

std::vector<Mistake> dovecot_mistakes() {
    static std::vector<std::string> texts;  // what the cases' toml points to
    texts.reserve(16);
    const auto with = [](const std::string& more) {
        return texts.emplace_back(dovecot_start + more).c_str();
    };
    const std::string second =
        "[[login.dovecot]]\nname = \"m2\"\nkey_file = \"/k\"\nreporters = [\"192.0.2.1\"]\n";
    return {
        {"ProofWithoutValue", with("proof = \"authed\""), 6, "attribute and its value", "authed=ok"},
        {"ProofWithEmptyValue", with("proof = \"authed=\""), 6, "attribute and its value", "authed=ok"},
        {"ProofWithoutName", with("proof = \"=ok\""), 6, "attribute and its value", "authed=ok"},
        {"ListenerPortZero", with("port = 0"), 6, "1 to 65535", ""},
        {"ListenerLifetime", with("lifetime = \"25h\""), 6, "longer than grants.longest", "raise"},
        {"ListenerWithoutAddress", with(second), 6, "has no \"listen\"", "add"},
        {"ListenerNoAddress", with(second + "listen = \"localhost\""), 10, "not an IP address", ""},
        {"ListenerTwice", with(second + "listen = \"198.51.100.1\""), 6, "already, at line 1", "of its own"},
        {"ListenerEverywhere", with(second + "listen = \"0.0.0.0\""), 6, "already, at line 1", "of its own"},
        {"NoReporters",
         "[[login.dovecot]]\nname = \"m\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = []", 5,
         "must not be empty", ""},
        {"ReportersEverywhere",
         "[[login.dovecot]]\nname = \"m\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = [\"::/0\"]", 5,
         "wider than /16", "really meant"},
        {"RelayEverywhere",
         "[[submission.listener]]\naddress = \"::1\"\nport = 25\ntls = \"none\"\nrelay = [\"0.0.0.0/0\"]", 5,
         "wider than /8", "really meant"},
        {"NoKey", "[[login.dovecot]]\nname = \"m\"\nlisten = \"::1\"\nreporters = [\"192.0.2.1\"]", 1,
         "has no \"key_file\"", ""},
        {"NamedLikeTheOperator",
         "[[login.dovecot]]\nname = \"operator\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = "
         "[\"192.0.2.1\"]",
         2, "operator", "another name"},
    };
}

const std::string stalwart_start = R"([[login.stalwart]]
name = "mail2"
listen = "198.51.100.1"
key_file = "/etc/webhook"
reporters = ["198.51.100.26"]
)";

std::vector<Mistake> stalwart_mistakes() {
    static std::vector<std::string> texts;  // what the cases' toml points to
    texts.reserve(16);
    const auto with = [](const std::string& more) {
        return texts.emplace_back(stalwart_start + more).c_str();
    };
    const auto without = [](const std::string& line) {
        std::string& text = texts.emplace_back(stalwart_start);
        return text.erase(text.find(line), line.size()).c_str();
    };
    const std::string other = "[[login.stalwart]]\nname = \"m3\"\nkey_file = \"/k\"\nreporters = [\"::1\"]\n";
    return {
        {"ProtocolUnknown", with(R"(protocols = ["imap", "imaps"])"), 6, "no protocol's: \"imaps\"",
         "managesieve"},
        {"ProtocolNone", with("protocols = []"), 6, "names no protocol", "leave it out"},
        {"ProofOfAnother", with("proof = \"authed=ok\""), 6, "login.stalwart.proof", ""},
        {"LifetimeTooLong", with("lifetime = \"25h\""), 6, "login.stalwart.lifetime: is longer", "raise"},
        {"SamePort", with(other + "listen = \"198.51.100.1\""), 6,
         "port 4002 is listened to already, at line 1", "[[login.stalwart]]"},
        {"PortOfDovecot", texts.emplace_back(dovecot_start + ("port = 4002\n" + stalwart_start)).c_str(), 7,
         "port 4002 is listened to already, at line 1", "[[login.stalwart]]"},
        {"NameOfDovecot",
         with("[[login.dovecot]]\nname = \"mail2\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = "
              "[\"::1\"]"),
         1, "has the name of a [[login.dovecot]]", "of its own"},
        {"WithoutKeyFile", without("key_file = \"/etc/webhook\"\n"), 1, "has no \"key_file\"", ""},
        {"WithoutReporters", without("reporters = [\"198.51.100.26\"]\n"), 1, "has no \"reporters\"", ""},
        {"WithoutName", without("name = \"mail2\"\n"), 1, "has no \"name\"", ""},
    };
}

std::string name_of(const ::testing::TestParamInfo<Mistake>& info) {
    return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Syntax, ConfigMistake, ::testing::ValuesIn(syntax_mistakes), name_of);
INSTANTIATE_TEST_SUITE_P(Values, ConfigMistake, ::testing::ValuesIn(value_mistakes), name_of);
INSTANTIATE_TEST_SUITE_P(Sections, ConfigMistake, ::testing::ValuesIn(section_mistakes), name_of);
INSTANTIATE_TEST_SUITE_P(Dovecot, ConfigMistake, ::testing::ValuesIn(dovecot_mistakes()), name_of);
INSTANTIATE_TEST_SUITE_P(Stalwart, ConfigMistake, ::testing::ValuesIn(stalwart_mistakes()), name_of);

TEST(Config, ReadsStalwart) {
    const auto plain = parse_config(stalwart_start, usual_place);
    ASSERT_TRUE(plain) << text(usual_place, plain.error());
    ASSERT_EQ(plain->stalwart.size(), 1U);
    EXPECT_EQ(plain->stalwart[0].name, "mail2");
    EXPECT_EQ(plain->stalwart[0].listen.text(), "198.51.100.1");
    EXPECT_EQ(plain->stalwart[0].port, 4002);
    EXPECT_EQ(plain->stalwart[0].key_file, "/etc/webhook");
    EXPECT_EQ(plain->stalwart[0].reporters, std::vector{parse_prefix("198.51.100.26/32").value()});
    EXPECT_TRUE(plain->stalwart[0].protocols.empty());
    EXPECT_FALSE(plain->stalwart[0].lifetime);
    const auto more = parse_config(stalwart_start +
                                       "port = 4711\nprotocols = [\"imap\", \"managesieve\"]\n"
                                       "lifetime = \"3s\"\n" +
                                       dovecot_start,
                                   usual_place);
    ASSERT_TRUE(more) << text(usual_place, more.error());
    EXPECT_EQ(more->stalwart[0].port, 4711);
    EXPECT_EQ(more->stalwart[0].protocols, (std::vector<std::string>{"imap", "managesieve"}));
    EXPECT_EQ(more->stalwart[0].lifetime, 3s);
}

TEST(Config, ListenersOnDifferentPortsOrFamiliesAreFine) {
    const std::string other =
        "[[login.dovecot]]\nname = \"m2\"\nkey_file = \"/k\"\nreporters = [\"192.0.2.1\"]\n";
    EXPECT_TRUE(parse_config(dovecot_start + other + "listen = \"198.51.100.1\"\nport = 4002", usual_place));
    EXPECT_TRUE(parse_config(dovecot_start + other + "listen = \"::\"", usual_place));
}

TEST(Config, APatternMayStandBelowAName) {
    EXPECT_TRUE(
        parse_config("[[interface]]\nname = \"sub-1\"\n[[interface]]\nname = \"sub-*\"", usual_place));
}

TEST(Config, InterfacesAreClosedUntilJudgedWhereItSaysSo) {
    const auto config = parse_config(
        "[[interface]]\nname = \"e?h*\"\n[[interface]]\nname = \"ppp0\"\nuntil_judged = \"pass\"\n"
        "[[interface]]\nname = \"ppp*\"\nuntil_judged = \"drop\"\n[[interface]]\nname = \"p?p*\"\n",
        usual_place);
    ASSERT_TRUE(config) << "what fits none of its names, or stands below, may be any pattern";
    std::vector<bool> closed;
    for (const InterfaceConfig& interface : config->interfaces) {
        closed.push_back(interface.closed_until_judged);
    }
    EXPECT_EQ(closed, (std::vector<bool>{false, false, true, false}));
}

TEST(Config, SaysAllAtOnceInTheOrderOfLines) {
    const auto config = parse_config(R"([store]
path = 1
[[pool]]
name = "a"
prefixes = ["x", "192.0.2.1/24"]
[dataplane]
ports = [0, 70000]
)",
                                     usual_place);
    ASSERT_FALSE(config);
    std::vector<int> lines;
    for (const ConfigError& complaint : config.error()) {
        lines.push_back(complaint.line);
    }
    EXPECT_THAT(lines, ::testing::ElementsAre(2, 5, 5, 7, 7));
    EXPECT_THAT(text(usual_place, config.error()),
                HasSubstr("/etc/sekisho/sekisho.toml:2:8: store.path: must be"));
}

TEST(Config, OneBadElementHidesNoOther) {
    const auto config = parse_config(R"([[pool]]
name = "a"
prefixes = [
  "x",
  1,
  "192.0.2.0/24",
  "",
  "192.0.2.1/24",
  "224.0.0.0/4",
  "192.0.2.0/25",
  "2001:db8::/65",
]
[[designated]]
name = "mail"
prefixes = [1,
  "0.0.0.0/0",
  "y"]
[dataplane]
ports = ["a",
  70000]
[api]
viewers = [1,
  ""]
[dns]
servers = [1,
  "z",
  "192.0.2.53",
  "192.0.2.0/24"]
[[submission.listener]]
address = "192.0.2.1"
port = 25
tls = "none"
relay = ["::/15"]
)",
                                     usual_place);
    ASSERT_FALSE(config);
    std::vector<int> lines;
    for (const ConfigError& complaint : config.error()) {
        lines.push_back(complaint.line);
    }
    EXPECT_THAT(lines,
                ::testing::ElementsAre(4, 5, 7, 8, 9, 10, 11, 15, 16, 17, 19, 20, 22, 23, 25, 26, 28, 33))
        << text(usual_place, config.error());
}

TEST(Config, NetworksOfServersMayBeAsWideAsOneRegistryGives) {
    const auto with = [](const std::string& prefixes) {
        return parse_config("[[designated]]\nname = \"mail\"\nprefixes = " + prefixes, usual_place);
    };
    EXPECT_TRUE(with(R"(["10.0.0.0/8", "2001::/16"])"));
    EXPECT_FALSE(with(R"(["10.0.0.0/7"])"));
    EXPECT_FALSE(with(R"(["2000::/15"])"));
}

// toml++ escapes by itself what can't be shown.
TEST(Config, SyntaxErrorsAreEscapedOnce) {
    for (const auto& [toml, shown] :
         {std::pair("\x01 = 1", R"(\u0001)"), std::pair(R"(a = "\q")", R"('\q')")}) {
        const auto config = parse_config(toml, usual_place);
        ASSERT_FALSE(config);
        EXPECT_THAT(config.error().front().what, HasSubstr(shown));
        EXPECT_THAT(config.error().front().what, ::testing::Not(HasSubstr("\\\\")));
        EXPECT_EQ(config.error().front().what.find('\x01'), std::string::npos);
    }
}

class ConfigFile : public ::testing::Test {
protected:
    std::filesystem::path write(const std::string& content) {
        const auto path = directory_ / "sekisho.toml";
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    tests::Directory directory_;
};

TEST_F(ConfigFile, IsReadFromTheDisk) {
    const auto path = write(whole);
    const auto config = load_config(path);
    ASSERT_TRUE(config) << text(path, config.error());
    EXPECT_EQ(config->file, path);
    EXPECT_EQ(config->pools.size(), 2U);
}

TEST_F(ConfigFile, MissingDirectoryTooLarge) {
    EXPECT_FALSE(load_config(directory_ / "nothing.toml"));
    EXPECT_FALSE(load_config(directory_.path()));
    const auto large = load_config(write(std::string((1U << 20U) + 1, '#')));
    ASSERT_FALSE(large);
    EXPECT_THAT(large.error().front().what, HasSubstr("1 MiB"));
    EXPECT_TRUE(load_config(write(std::string(1U << 20U, '#'))));
}

TEST_F(ConfigFile, AFifoDoesNotHang) {
    const auto path = directory_ / "fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_FALSE(load_config(path));
}

TEST(ConfigNames, AreThoseOfTheFile) {
    EXPECT_EQ(to_string(Side::uplink), "uplink");
    EXPECT_EQ(to_string(Attach::automatic), "auto");
    EXPECT_EQ(to_string(Attach::clsact), "clsact");
    EXPECT_EQ(to_string(Action::reset), "reset");
}

}  // namespace
}  // namespace sekisho
