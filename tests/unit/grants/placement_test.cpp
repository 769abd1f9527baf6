// SPDX-License-Identifier: Apache-2.0
// Where addresses and prefixes stand in the pools.
#include <random>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

TEST(Placement, KeyIsTheAddressOrThePoolsLength) {
    const Config config = example_config();
    const Placements placements(config.pools);
    const auto four = placements.place(address("192.0.2.255"));
    ASSERT_TRUE(four);
    EXPECT_EQ(four->pool->name, "dsl");
    EXPECT_EQ(four->key, prefix("192.0.2.255/32"));
    EXPECT_EQ(four->within, prefix("192.0.2.0/24"));
    const auto dsl = placements.place(address("2001:db8:1ff:ffff:1234::1"));
    ASSERT_TRUE(dsl);
    EXPECT_EQ(dsl->key, prefix("2001:db8:1ff:ff00::/56"));
    const auto fibre = placements.place(address("2001:db8:200:7::1"));
    ASSERT_TRUE(fibre);
    EXPECT_EQ(fibre->key, prefix("2001:db8:200:7::/64"));
    EXPECT_EQ(fibre->pool->name, "fibre");
}

TEST(Placement, OutsideIsOutsideAtBothEdges) {
    const Config config = example_config();
    const Placements placements(config.pools);
    for (const auto* text : {"192.0.1.255", "192.0.3.0", "0.0.0.0", "255.255.255.255", "203.0.113.128",
                             "::", "2001:db8:ff:ffff::", "2001:db8:200:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        const auto parsed = parse_address(text);
        if (parsed) {
            EXPECT_FALSE(placements.place(*parsed)) << text;
        }
    }
    EXPECT_TRUE(placements.place(address("192.0.2.0")));
    EXPECT_TRUE(placements.place(address("203.0.113.127")));
    EXPECT_FALSE(placements.place(address("2001:db8:201::")));
    EXPECT_FALSE(placements.place(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
}

TEST(Placement, NoPoolsHoldNothing) {
    const Placements placements({});
    EXPECT_FALSE(placements.place(address("192.0.2.1")));
    Placement placement;
    EXPECT_EQ(placements.fit(prefix("0.0.0.0/0"), placement), Fit::outside);
}

TEST(Placement, TheLongestOfNestedPrefixesCounts) {
    const std::vector<PoolConfig> pools = {
        {.name = "outer", .prefixes = {prefix("10.0.0.0/8"), prefix("10.1.2.0/24")}},
        {.name = "inner", .prefixes = {prefix("10.1.0.0/16"), prefix("10.0.0.0/30")}},
    };
    const Placements placements(pools);
    EXPECT_EQ(placements.place(address("10.0.0.3"))->pool->name, "inner");
    EXPECT_EQ(placements.place(address("10.0.0.4"))->pool->name, "outer");
    EXPECT_EQ(placements.place(address("10.1.1.1"))->pool->name, "inner");
    EXPECT_EQ(placements.place(address("10.1.2.1"))->pool->name, "outer");
    EXPECT_EQ(placements.place(address("10.1.2.1"))->within, prefix("10.1.2.0/24"));
    EXPECT_EQ(placements.place(address("10.1.3.0"))->pool->name, "inner");
    EXPECT_EQ(placements.place(address("10.255.0.0"))->pool->name, "outer");
}

TEST(Placement, FitsOfPrefixes) {
    const Config config = example_config();
    const Placements placements(config.pools);
    const auto fit = [&](std::string_view text) {
        Placement placement;
        return placements.fit(prefix(text), placement);
    };
    EXPECT_EQ(fit("192.0.2.9/32"), Fit::key);
    EXPECT_EQ(fit("192.0.2.8/31"), Fit::wide);
    EXPECT_EQ(fit("192.0.2.0/24"), Fit::wide);
    EXPECT_EQ(fit("192.0.2.0/23"), Fit::too_wide);
    EXPECT_EQ(fit("192.0.0.0/22"), Fit::too_wide);
    EXPECT_EQ(fit("0.0.0.0/0"), Fit::too_wide);
    EXPECT_EQ(fit("192.0.3.0/24"), Fit::outside);
    EXPECT_EQ(fit("2001:db8:100::/40"), Fit::wide);
    EXPECT_EQ(fit("2001:db8:100::/56"), Fit::key);
    EXPECT_EQ(fit("2001:db8:100::/57"), Fit::narrow);
    EXPECT_EQ(fit("2001:db8:100::1/128"), Fit::narrow);
    EXPECT_EQ(fit("2001:db8::/32"), Fit::too_wide);
    EXPECT_EQ(fit("2001:db8:201::/48"), Fit::outside);
}

TEST(Placement, TooWideNamesThePrefixInside) {
    const Config config = example_config();
    const Placements placements(config.pools);
    Placement placement;
    EXPECT_EQ(placements.fit(prefix("192.0.0.0/16"), placement), Fit::too_wide);
    EXPECT_EQ(placement.within, prefix("192.0.2.0/24"));
    EXPECT_EQ(placement.pool->name, "dsl");
}

TEST(Placement, OnlyTodaysKeysAreKeys) {
    const Config config = example_config();
    const Placements placements(config.pools);
    EXPECT_TRUE(placements.place_key(prefix("2001:db8:100::/56")));
    EXPECT_FALSE(placements.place_key(prefix("2001:db8:100::/64")));
    EXPECT_FALSE(placements.place_key(prefix("2001:db8:100::/48")));
    EXPECT_FALSE(placements.place_key(prefix("192.0.2.0/31")));
    EXPECT_FALSE(placements.place_key(prefix("192.0.3.1/32")));
}

// Against a search through all prefixes, with pools that nest as they like.
TEST(Placement, AgreesWithALinearSearch) {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        std::vector<PoolConfig> pools(5);
        for (std::size_t i = 0; i < 200; ++i) {
            const int length = std::uniform_int_distribution(8, 32)(random);
            Address start;
            start.bytes[0] = static_cast<std::uint8_t>(10 + random() % 2);
            start.bytes[1] = static_cast<std::uint8_t>(random() % 4);
            start.bytes[2] = static_cast<std::uint8_t>(random() % 4);
            start.bytes[3] = static_cast<std::uint8_t>(random());
            pools[i % pools.size()].prefixes.push_back({.address = start.masked(length), .length = length});
        }
        const Placements placements(pools);
        for (int i = 0; i < 200; ++i) {
            Address asked;
            asked.bytes = {static_cast<std::uint8_t>(9 + random() % 4),
                           static_cast<std::uint8_t>(random() % 5), static_cast<std::uint8_t>(random() % 5),
                           static_cast<std::uint8_t>(random())};
            int best = -1;
            for (const PoolConfig& pool : pools) {
                for (const Prefix& one : pool.prefixes) {
                    best = one.contains(asked) ? std::max(best, one.length) : best;
                }
            }
            const auto found = placements.place(asked);
            EXPECT_EQ(found ? found->within.length : -1, best) << asked.text();
        }
    }
}

}  // namespace
}  // namespace sekisho::grants
