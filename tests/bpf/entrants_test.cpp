// SPDX-License-Identifier: Apache-2.0
// Source validation where an interface says whose subscribers come in by it: other pools' addresses are as
// invalid there as a stranger's.
#include "agent/base/config.h"
#include "agent/dataplane/table.h"
#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr unsigned loopback = 1;  // whose index BPF_PROG_TEST_RUN shows

PoolConfig pool(const std::string& name, const std::vector<std::string>& prefixes) {
    PoolConfig config{.name = name, .prefixes = {}};
    for (const std::string& prefix : prefixes) {
        config.prefixes.push_back(parse_prefix(prefix).value());
    }
    return config;
}

InterfaceConfig interface(const std::string& name, std::set<std::string> pools) {
    InterfaceConfig config;
    config.name = name;
    config.validate_source = true;
    config.pools = std::move(pools);
    return config;
}

Config houses() {
    Config config;
    config.pools = {pool("home", {"192.0.2.0/25", "2001:db8:1::/48"}),
                    pool("office", {"192.0.2.128/25", "2001:db8:2::/48"}), pool("farm", {"198.51.100.0/24"})};
    config.interfaces = {interface("any", {}), interface("home", {"home"}),
                         interface("both", {"home", "office"}), interface("same", {"home"})};
    return config;
}

class Entrants : public testing::TestWithParam<Kind> {
protected:
    // The reason for a packet that comes in by this interface of the configuration.
    static std::string judged(std::size_t place, const std::string& source) {
        Programs& programs = Programs::get();
        programs.reset();
        const Config config = houses();
        const std::vector<Prefix> exempt = {parse_prefix("192.0.2.64/28").value()};
        programs.table() = dataplane::Table::build(config, exempt)->data();
        sekisho_interface known{};
        known.entrants = dataplane::entrants_of(config, config.interfaces.at(place));
        programs.put_interface(loopback, known);
        const bool six = source.contains(':');
        const auto frame = (six ? Eth().IPv6(source, "2001:db8:ffff::1") : Eth().IPv4(source, "203.0.113.1"))
                               .Udp(1, 2)
                               .bytes();
        std::ignore = programs.run(GetParam(), frame, {}, Role::validated);
        const bool invalid =
            programs.counts() == once(SEKISHO_REASON_SOURCE_INVALID, SEKISHO_DROP, frame.size());
        EXPECT_TRUE(invalid || programs.counts() == once(SEKISHO_REASON_NOT_TCP, SEKISHO_PASS, frame.size()));
        return invalid ? "invalid" : "valid";
    }
};

INSTANTIATE_TEST_SUITE_P(Each, Entrants, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

TEST_P(Entrants, WithoutAListAnyPoolWillDo) {
    for (const char* source :
         {"192.0.2.1", "192.0.2.129", "198.51.100.1", "2001:db8:1::1", "2001:db8:2::1"}) {
        EXPECT_EQ(judged(0, source), "valid") << source;
    }
    EXPECT_EQ(judged(0, "203.0.113.7"), "invalid");
}

TEST_P(Entrants, OtherPoolsAreInvalid) {
    for (const std::size_t place : {1U, 3U}) {
        EXPECT_EQ(judged(place, "192.0.2.1"), "valid");
        EXPECT_EQ(judged(place, "192.0.2.64"), "valid") << "an exemption is its pool's";
        EXPECT_EQ(judged(place, "192.0.2.127"), "valid");
        EXPECT_EQ(judged(place, "192.0.2.128"), "invalid");
        EXPECT_EQ(judged(place, "198.51.100.1"), "invalid");
        EXPECT_EQ(judged(place, "2001:db8:1:ffff::1"), "valid");
        EXPECT_EQ(judged(place, "2001:db8:2::1"), "invalid");
        EXPECT_EQ(judged(place, "203.0.113.7"), "invalid");
    }
}

TEST_P(Entrants, SeveralPoolsMayComeInByOne) {
    for (const char* source : {"192.0.2.1", "192.0.2.129", "2001:db8:1::1", "2001:db8:2::1"}) {
        EXPECT_EQ(judged(2, source), "valid") << source;
    }
    EXPECT_EQ(judged(2, "198.51.100.1"), "invalid");
}

}  // namespace
}  // namespace sekisho::bpftest
