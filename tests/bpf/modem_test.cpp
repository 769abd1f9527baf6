// SPDX-License-Identifier: Apache-2.0
// Linux clients behind tags, PPPoE and lines without Ethernet read their refusal as their plain neighbours
// do.
#include "tests/bpf/modem.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <ostream>

#include "tests/bpf/cases.h"
#include "tests/bpf/through.h"

namespace sekisho::bpftest {
namespace {

struct Refusal {
    const char* name;
    sekisho_verdict verdict;
    const char* from4;
    const char* from6;
    int errno4;
    int errno6;
};
constexpr Refusal by_reset{"Reset", SEKISHO_RESET, reset4, reset6, ECONNREFUSED, ECONNREFUSED};
constexpr Refusal by_prohibit{"Prohibit", SEKISHO_PROHIBIT, prohibit4, prohibit6, EHOSTUNREACH, EACCES};

// How a failed test shows it.
void PrintTo(const Refusal& refusal, std::ostream* out) {
    *out << refusal.name;
}

// At once: the client's stack says its SYN once more after a second. A reset is read from the first one; an
// ICMP message that comes while connect() still holds the socket is only noted, and the next SYN's is read.
void expect_refusal(const Client& client, const Refusal& refusal, bool six) {
    client.number(six ? refusal.from6 : refusal.from4);
    EXPECT_EQ(client.connect(six ? mx6 : mx4), six ? refusal.errno6 : refusal.errno4);
    const auto counts = Programs::get().counts();
    ASSERT_TRUE(counts.contains({SEKISHO_REASON_NOT_GRANTED, refusal.verdict}));
    EXPECT_LE(not_granted(counts), refusal.verdict == SEKISHO_RESET ? 1 : 2) << "SYNs were said";
}

class BehindAShell : public testing::TestWithParam<std::tuple<Kind, Shell, Refusal>> {};

TEST_P(BehindAShell, IsRefused) {
    const auto& [kind, shell, refusal] = GetParam();
    fresh_table();
    const Wire wire(kind);
    wire.introduce();
    const Client client(IFF_TAP);
    const Modem modem(client, wire, shell);
    expect_refusal(client, refusal, shell.six);
}

std::vector<Shell> around_ip() {
    std::vector<Shell> some;
    std::ranges::copy_if(shells(), std::back_inserter(some), [](const Shell& shell) {
        return shell.ip_options == 0 && shell.extensions == 0 && shell.padding == 0 && shell.tcp_options == 0;
    });
    some.push_back({.name = "FourTags4", .six = false, .tags = 4});
    some.push_back({.name = "Tag6", .six = true, .tags = 1});
    some.push_back({.name = "Ppp4", .six = false, .ppp = 2});
    some.push_back({.name = "Ppp6", .six = true, .ppp = 2});
    some.push_back({.name = "TagPpp4", .six = false, .tags = 1, .ppp = 2});
    some.push_back({.name = "FourTagsPpp6", .six = true, .tags = 4, .ppp = 2});
    return some;
}

INSTANTIATE_TEST_SUITE_P(All, BehindAShell,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc),
                                          testing::ValuesIn(around_ip()),
                                          testing::Values(by_reset, by_prohibit)),
                         [](const auto& each) {
                             return name(std::get<Kind>(each.param)) + std::get<Shell>(each.param).name +
                                    std::get<Refusal>(each.param).name;
                         });

// As on ppp0: packets begin with IP.
class WithoutEthernet : public testing::TestWithParam<std::tuple<bool, Refusal>> {};

TEST_P(WithoutEthernet, IsRefused) {
    const auto& [six, refusal] = GetParam();
    fresh_table();
    const Namespace box;
    const Socket line = open_line(box, "edge0", IFF_TUN);
    Programs::get().put_interface(box.index_of("edge0"), {});
    attach_tc(box, "edge0", Programs::get().descriptor(Kind::tc, Role::bare));
    const Client client(IFF_TUN);
    const SerialLine carried(client, line);
    expect_refusal(client, refusal, six);
}

INSTANTIATE_TEST_SUITE_P(All, WithoutEthernet,
                         testing::Combine(testing::Bool(), testing::Values(by_reset, by_prohibit)),
                         [](const auto& each) {
                             return std::string(std::get<bool>(each.param) ? "IPv6" : "IPv4") +
                                    std::get<Refusal>(each.param).name;
                         });

// DS-Lite and 6in4 over such a line: the client inside hears of it.
class WithoutEthernetInATunnel : public testing::TestWithParam<std::tuple<bool, Refusal>> {};

TEST_P(WithoutEthernetInATunnel, IsRefused) {
    const auto& [six, refusal] = GetParam();
    fresh_table();
    const Namespace box;
    const Socket line = open_line(box, "edge0", IFF_TUN);
    sekisho_interface interface{};
    interface.tunnels = 1;
    Programs::get().put_interface(box.index_of("edge0"), interface);
    attach_tc(box, "edge0", Programs::get().descriptor(Kind::tc, Role::bare));
    const Client client(IFF_TUN);
    const TunnelLine carried(client, line, six ? refusal.from4 : refusal.from6, six ? far4 : far6);
    client.number(six ? home6 : private4);
    EXPECT_EQ(client.connect(six ? mx6 : mx4), six ? refusal.errno6 : refusal.errno4);
    EXPECT_TRUE(Programs::get().counts().contains({SEKISHO_REASON_NOT_GRANTED, refusal.verdict}));
}

INSTANTIATE_TEST_SUITE_P(All, WithoutEthernetInATunnel,
                         testing::Combine(testing::Bool(), testing::Values(by_reset, by_prohibit)),
                         [](const auto& each) {
                             return std::string(std::get<bool>(each.param) ? "SixInFour" : "FourInSix") +
                                    std::get<Refusal>(each.param).name;
                         });

}  // namespace
}  // namespace sekisho::bpftest
