// SPDX-License-Identifier: Apache-2.0
// Each setting reaches its place in the kernel's table, and what is more than it can hold is refused.
#include "agent/dataplane/table.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <string_view>

namespace sekisho::dataplane {
namespace {

using testing::HasSubstr;

Prefix prefix(const std::string& text) {
    return parse_prefix(text).value();
}

Config one_pool() {
    Config config;
    config.pools = {{.name = "dsl", .prefixes = {prefix("192.0.2.0/24"), prefix("2001:db8:100::/40")}}};
    return config;
}

TEST(TableBuild, TakesEverySetting) {
    Config config = one_pool();
    config.dataplane.ports = {25, 2525};
    config.dataplane.answers_per_second = 1234;
    config.dataplane.flows_per_subscriber = 17;
    config.dataplane.flow_idle = std::chrono::seconds(333);
    config.dataplane.icmp_source_ipv4 = parse_address("203.0.113.7").value();
    config.dataplane.icmp_source_ipv6 = parse_address("2001:db8::7").value();
    config.dataplane.inbound_replies = Replies::off;
    config.grants.window = std::chrono::seconds(45);
    config.grants.window_connections = 9;
    const auto table = Table::build(config, {});
    ASSERT_TRUE(table) << table.error().what;
    const sekisho_table& data = table->data();
    EXPECT_EQ(data.ports[0], htons(25));
    EXPECT_EQ(data.ports[1], htons(2525));
    EXPECT_EQ(data.ports[2], 0);
    EXPECT_EQ(data.answers_per_second, 1234U);
    EXPECT_EQ(data.flow_limit, 17U);
    EXPECT_EQ(data.flow_idle_s, 333U);
    EXPECT_EQ(data.window_s, 45U);
    EXPECT_EQ(data.window_limit, 9U);
    EXPECT_EQ(data.inbound_replies, static_cast<std::uint32_t>(Replies::off));
    EXPECT_EQ(std::memcmp(&data.icmp_source4, config.dataplane.icmp_source_ipv4->bytes.data(), 4), 0);
    EXPECT_EQ(std::memcmp(data.icmp_source6, config.dataplane.icmp_source_ipv6->bytes.data(), 16), 0);
}

// ::PSID:ffff:a.b.c.d, see sekisho_abi.h: shared addresses can be told apart by their ports one day.
TEST(KernelKey, HasRoomForAPortSet) {
    const sekisho_key own = kernel_key(prefix("192.0.2.7/32"));
    const std::string_view bytes(reinterpret_cast<const char*>(own.bytes), sizeof own.bytes);
    EXPECT_EQ(bytes, std::string(10, '\0') + "\xff\xff\xc0" + std::string("\0\2\7", 3));
    sekisho_key first = own;
    sekisho_key second = own;
    constexpr std::size_t port_set = 9;
    first.bytes[port_set] = 1;
    second.bytes[port_set] = 2;
    EXPECT_NE(std::memcmp(&first, &own, sizeof own), 0);
    EXPECT_NE(std::memcmp(&first, &second, sizeof own), 0);
    EXPECT_EQ(prefix_of(own, 32), prefix("192.0.2.7/32"));
    EXPECT_NE(prefix_of(first, 32), prefix("192.0.2.7/32")) << "it isn't the whole address's";
    EXPECT_EQ(prefix_of(kernel_key(prefix("2001:db8:100:a00::/56")), 56), prefix("2001:db8:100:a00::/56"));
}

TEST(TableBuild, NoLimitOfAWindowMeansNoWindow) {
    Config config = one_pool();
    config.grants.window_connections = 0;
    EXPECT_EQ(Table::build(config, {})->data().window_s, 0U);
}

TEST(TableBuild, AnActionIsThePools) {
    for (const auto& [action, verdict] :
         {std::pair{Action::monitor, SEKISHO_MONITOR}, std::pair{Action::drop, SEKISHO_DROP},
          std::pair{Action::reset, SEKISHO_RESET}, std::pair{Action::prohibit, SEKISHO_PROHIBIT}}) {
        Config config = one_pool();
        config.pools[0].action = action;
        const auto table = Table::build(config, {});
        ASSERT_TRUE(table);
        EXPECT_EQ(table->source(parse_address("192.0.2.1").value()).action, verdict);
        EXPECT_EQ(table->source(parse_address("2001:db8:100::1").value()).action, verdict);
    }
}

TEST(TableBuild, ListsOfPoolsAreNumbered) {
    Config config = one_pool();
    config.pools.push_back({.name = "cable", .prefixes = {prefix("198.51.100.0/24")}});
    for (const auto& [name, pools] : std::vector<std::pair<std::string, std::set<std::string>>>{
             {"a", {}}, {"b", {"cable"}}, {"c", {"dsl", "cable"}}, {"d", {"cable"}}}) {
        config.interfaces.push_back({.name = name, .pools = pools});
    }
    std::vector<int> numbers;
    for (const InterfaceConfig& interface : config.interfaces) {
        numbers.push_back(entrants_of(config, interface));
    }
    EXPECT_EQ(numbers, (std::vector<int>{0, 1, 2, 1}));
    const auto table = Table::build(config, {prefix("198.51.100.16/28")});
    ASSERT_TRUE(table);
    EXPECT_EQ(table->source(parse_address("192.0.2.1").value()).entrants, 2U);
    EXPECT_EQ(table->source(parse_address("2001:db8:100::1").value()).entrants, 2U);
    EXPECT_EQ(table->source(parse_address("198.51.100.1").value()).entrants, 3U);
    EXPECT_EQ(table->source(parse_address("198.51.100.17").value()).entrants, 3U);
    EXPECT_EQ(table->source(parse_address("203.0.113.1").value()).entrants, 0U);
}

TEST(TableBuild, MoreThanItCanHoldIsRefused) {
    std::vector<Prefix> wide;
    for (int i = 0; i < SEKISHO_SEGMENTS; i++) {
        wide.push_back(prefix("10." + std::to_string(i / 128) + "." + std::to_string(i % 128 * 2) + ".0/24"));
    }
    Config config = one_pool();
    config.pools[0].prefixes = {prefix("10.0.0.0/8")};
    const auto table = Table::build(config, wide);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().kind, Failure::invalid);
    EXPECT_THAT(table.error().remedy, HasSubstr("join"));
}

}  // namespace
}  // namespace sekisho::dataplane
