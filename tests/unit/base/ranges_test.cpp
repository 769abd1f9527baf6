// SPDX-License-Identifier: Apache-2.0
// Prefixes as disjoint ranges, and configurations that the kernel's table has no room for.
#include "agent/base/ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Piece piece(const char* prefix, std::uint32_t meaning) {
    return {.prefix = parse_prefix(prefix).value(), .meaning = meaning};
}

Range range(const char* start, std::uint32_t meaning) {
    return {.start = parse_address(start).value(), .meaning = meaning};
}

TEST(Flatten, NothingIsOneRange) {
    EXPECT_THAT(flatten(Family::ipv4, {}), ElementsAre(range("0.0.0.0", 0)));
    EXPECT_THAT(flatten(Family::ipv6, {piece("192.0.2.0/24", 1)}), ElementsAre(range("::", 0)));
}

TEST(Flatten, TheLongestCountsAndWhatItLiesInGoesOn) {
    EXPECT_THAT(flatten(Family::ipv4,
                        {piece("192.0.2.128/25", 2), piece("192.0.2.0/24", 1), piece("192.0.2.129/32", 3)}),
                ElementsAre(range("0.0.0.0", 0), range("192.0.2.0", 1), range("192.0.2.128", 2),
                            range("192.0.2.129", 3), range("192.0.2.130", 2), range("192.0.3.0", 0)));
}

TEST(Flatten, NeighboursOfOneMeaningAreOne) {
    EXPECT_THAT(flatten(Family::ipv4, {piece("192.0.2.0/25", 1), piece("192.0.2.128/25", 1)}),
                ElementsAre(range("0.0.0.0", 0), range("192.0.2.0", 1), range("192.0.3.0", 0)));
}

TEST(Flatten, TheFirstAndTheLastAddress) {
    EXPECT_THAT(flatten(Family::ipv6, {piece("::/16", 1), piece("ffff::/16", 2)}),
                ElementsAre(range("::", 1), range("1::", 0), range("ffff::", 2)));
}

// A pool of `count` /24 with gaps between them, and its section's text.
std::string pool_with_gaps(int count, const char* section = "pool") {
    std::string text = "[[" + std::string(section) + "]]\nname = \"x\"\nprefixes = [";
    for (int i = 0; i < count; i++) {
        text += "\"10." + std::to_string(i / 128) + "." + std::to_string(i % 128 * 2) + ".0/24\", ";
    }
    return text + "]\n";
}

TEST(Room, AsMuchAsTheTableHolds) {
    EXPECT_TRUE(parse_config(pool_with_gaps(511), "x.toml"));
    EXPECT_TRUE(parse_config(pool_with_gaps(511, "designated") + pool_with_gaps(511), "x.toml"));
}

TEST(Room, MoreIsAComplaintWithItsPlace) {
    for (const char* section : {"pool", "designated"}) {
        const auto config = parse_config("[grants]\n" + pool_with_gaps(512, section), "x.toml");
        ASSERT_FALSE(config);
        ASSERT_EQ(config.error().size(), 1U);
        EXPECT_EQ(config.error().front().line, 2);
        EXPECT_THAT(config.error().front().what, HasSubstr("1025 ranges"));
        EXPECT_THAT(config.error().front().remedy, HasSubstr("join"));
    }
}

// An interface for each of so many pools, none of whose lists is another's.
std::string lists_of_pools(int count) {
    std::string text;
    for (int i = 0; i < count; i++) {
        const std::string name = "p" + std::to_string(i);
        for (const std::string& each : {name, std::string("again-").append(name)}) {
            text.append("[[interface]]\nname = \"").append(each);
            text.append("\"\nsource_validation = \"pool\"\npools = [\"").append(name).append("\"]\n");
        }
        text.append("[[pool]]\nname = \"").append(name);
        text.append("\"\nprefixes = [\"10.0.").append(std::to_string(i)).append(".0/24\"]\n");
    }
    return text;
}

TEST(Room, ListsOfPoolsAreAsManyAsHaveABit) {
    EXPECT_TRUE(parse_config(lists_of_pools(32), "x.toml"));
    const auto config = parse_config(lists_of_pools(33), "x.toml");
    ASSERT_FALSE(config);
    ASSERT_EQ(config.error().size(), 1U);
    EXPECT_THAT(config.error().front().what, HasSubstr("list 33 "));
    EXPECT_EQ(config.error().front().line, 32 * 11 + 1);
}

TEST(Room, BothFamiliesShareTheMeanings) {
    std::string text = "[[pool]]\nname = \"x\"\nprefixes = [";
    for (int i = 0; i < 512; i++) {
        text += "\"10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) +
                "\", \"2001:db8:" + std::to_string(i) + "::/48\", ";
    }
    const auto config = parse_config(text + "]\n", "x.toml");
    ASSERT_FALSE(config);
    ASSERT_EQ(config.error().size(), 1U);
    EXPECT_THAT(config.error().front().what, HasSubstr("1024 prefixes"));
}

}  // namespace
}  // namespace sekisho
