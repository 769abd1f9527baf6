// SPDX-License-Identifier: Apache-2.0
// Addresses and prefixes: what is read, what is refused, what is written.
#include "agent/base/address.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho {
namespace {

TEST(Address, ReadsAndWritesBothFamilies) {
    for (const char* text :
         {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:0:1:1:1:1:1",
          "2001:db8::1:0:0:1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        const auto address = parse_address(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->text(), text);
    }
    EXPECT_EQ(parse_address("192.0.2.1")->family, Family::ipv4);
    EXPECT_EQ(parse_address("2001:db8::1")->family, Family::ipv6);
}

TEST(Address, WritesShortestForm) {
    EXPECT_EQ(parse_address("2001:DB8:0:0:0:0:0:1")->text(), "2001:db8::1");
    EXPECT_EQ(parse_address("2001:0db8:0:0:1:0:0:1")->text(), "2001:db8::1:0:0:1");
}

TEST(Address, MappedBecomesIpv4) {
    const auto address = parse_address("::ffff:192.0.2.1");
    ASSERT_TRUE(address);
    EXPECT_EQ(*address, *parse_address("192.0.2.1"));
    EXPECT_EQ(*parse_address("::ffff:c000:201"), *address);
}

TEST(Address, RefusesWhatIsNotOne) {
    using namespace std::string_literals;
    for (const std::string& text : {""s,
                                    " "s,
                                    "192.0.2"s,
                                    "192.0.2.256"s,
                                    "192.0.2.01"s,
                                    " 192.0.2.1"s,
                                    "192.0.2.1 "s,
                                    "192.0.2.1\n"s,
                                    "192.0.2.1\0"s,
                                    "192.0.2.1\0.example"s,
                                    "192.0.2.1:25"s,
                                    "[2001:db8::1]"s,
                                    "fe80::1%eth0"s,
                                    "2001:db8:::1"s,
                                    "2001:db8::1::2"s,
                                    "2001:db8::12345"s,
                                    "0xc0000201"s,
                                    "3221225985"s,
                                    "-1.0.2.1"s,
                                    "example.org"s,
                                    std::string(100'000, '1')}) {
        const auto address = parse_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_EQ(address.error().kind, Failure::invalid);
        EXPECT_FALSE(address.error().remedy.empty());
        EXPECT_EQ(address.error().what.find('\n'), std::string::npos) << "a message must stay one line";
    }
}

TEST(Address, MasksAtEveryLength) {
    const auto four = *parse_address("203.0.113.255");
    EXPECT_EQ(four.masked(32), four);
    EXPECT_EQ(four.masked(25).text(), "203.0.113.128");
    EXPECT_EQ(four.masked(24).text(), "203.0.113.0");
    EXPECT_EQ(four.masked(0).text(), "0.0.0.0");
    const auto six = *parse_address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(six.masked(128), six);
    EXPECT_EQ(six.masked(60).text(), "2001:db8:ffff:fff0::");
    EXPECT_EQ(six.masked(0).text(), "::");
}

TEST(Address, LastOfAPrefix) {
    EXPECT_EQ(parse_address("192.0.2.0")->last(24).text(), "192.0.2.255");
    EXPECT_EQ(parse_address("192.0.2.0")->last(32).text(), "192.0.2.0");
    EXPECT_EQ(parse_address("0.0.0.0")->last(0).text(), "255.255.255.255");
    EXPECT_EQ(parse_address("2001:db8::")->last(33).text(), "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
    // The unused bytes of an IPv4 address stay zero: addresses are compared as a whole.
    EXPECT_EQ(*parse_address("192.0.2.255"), parse_address("192.0.2.0")->last(24));
}

TEST(Prefix, ReadsAndWrites) {
    for (const char* text :
         {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32", "::/0", "2001:db8::/33", "2001:db8::1/128"}) {
        const auto prefix = parse_prefix(text);
        ASSERT_TRUE(prefix) << text;
        EXPECT_EQ(prefix->text(), text);
    }
    EXPECT_EQ(parse_prefix("192.0.2.1")->length, 32);
    EXPECT_EQ(parse_prefix("2001:db8::1")->length, 128);
}

TEST(Prefix, RefusesBadLengths) {
    for (const char* text :
         {"192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+24", "192.0.2.0/024", "192.0.2.0/24 ",
          "192.0.2.0/24/24", "192.0.2.0/99999999999", "192.0.2.0/x", "2001:db8::/129", "/24",
          "192.0.2.0/255.255.255.0", "::ffff:192.0.2.0/120", "::ffff:192.0.2.0/24"}) {
        EXPECT_FALSE(parse_prefix(text)) << text;
    }
}

TEST(Prefix, NamesThePrefixThatWasMeant) {
    const auto prefix = parse_prefix("192.0.2.17/24");
    ASSERT_FALSE(prefix);
    EXPECT_NE(prefix.error().remedy.find("192.0.2.0/24"), std::string::npos) << prefix.error().remedy;
    const auto six = parse_prefix("2001:db8::1/64");
    ASSERT_FALSE(six);
    EXPECT_NE(six.error().remedy.find("2001:db8::/64"), std::string::npos) << six.error().remedy;
}

TEST(Prefix, ContainsAndOverlaps) {
    const auto wide = *parse_prefix("192.0.2.0/24");
    const auto half = *parse_prefix("192.0.2.128/25");
    const auto other = *parse_prefix("198.51.100.0/24");
    EXPECT_TRUE(wide.contains(*parse_address("192.0.2.200")));
    EXPECT_FALSE(half.contains(*parse_address("192.0.2.127")));
    EXPECT_FALSE(wide.contains(*parse_address("2001:db8::1")));
    EXPECT_FALSE(parse_prefix("0.0.0.0/0")->contains(*parse_address("::")));
    EXPECT_TRUE(wide.contains(half));
    EXPECT_FALSE(half.contains(wide));
    EXPECT_TRUE(half.overlaps(wide));
    EXPECT_TRUE(wide.overlaps(half));
    EXPECT_FALSE(wide.overlaps(other));
    EXPECT_FALSE(parse_prefix("::/0")->overlaps(*parse_prefix("0.0.0.0/0")));
}

TEST(Family, HasNames) {
    EXPECT_EQ(to_string(Family::ipv4), "ipv4");
    EXPECT_EQ(to_string(Family::ipv6), "ipv6");
}

}  // namespace
}  // namespace sekisho
