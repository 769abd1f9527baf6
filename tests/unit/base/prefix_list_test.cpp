// SPDX-License-Identifier: Apache-2.0
// Lists of prefixes, as operators and their scripts write them.
#include "agent/base/prefix_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sekisho {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> texts(std::string_view list) {
    const auto prefixes = parse_prefix_list(list).value();
    std::vector<std::string> texts;
    for (const Prefix& prefix : prefixes) {
        texts.push_back(prefix.text());
    }
    return texts;
}

TEST(PrefixList, OneOnEachLine) {
    EXPECT_THAT(texts("203.0.113.0/24\n2001:db8::/32\n192.0.2.7\n"),
                ElementsAre("192.0.2.7/32", "203.0.113.0/24", "2001:db8::/32"));
}

TEST(PrefixList, BlanksCommentsAndLineEndsOfOtherSystems) {
    EXPECT_THAT(
        texts("# made by a script\r\n\r\n \t192.0.2.0/24  # of example.net\r\n#\n   \n198.51.100.0/24"),
        ElementsAre("192.0.2.0/24", "198.51.100.0/24"));
}

TEST(PrefixList, EachOnce) {
    EXPECT_THAT(texts("192.0.2.1\n192.0.2.0/24\n192.0.2.1/32\n"),
                ElementsAre("192.0.2.0/24", "192.0.2.1/32"));
}

TEST(PrefixList, Nothing) {
    EXPECT_THAT(texts(""), IsEmpty());
    EXPECT_THAT(texts("\n\n# nothing\n"), IsEmpty());
}

TEST(PrefixList, TheFirstWrongLineIsNamed) {
    for (const auto& [list, what] :
         {std::pair{"192.0.2.0/24\n\nexample.com\nrubbish\n", "line 3: "},
          std::pair{"192.0.2.1/24\n", "line 1: "}, std::pair{"192.0.2.0/24 198.51.100.0/24\n", "line 1: "},
          std::pair{"192.0.2.0/33\n", "line 1: "}, std::pair{"2001:db8::/129", "line 1: "}}) {
        const auto read = parse_prefix_list(list);
        ASSERT_FALSE(read) << list;
        EXPECT_EQ(read.error().kind, Failure::invalid);
        EXPECT_THAT(read.error().what, HasSubstr(what));
        EXPECT_FALSE(read.error().remedy.empty()) << list;
    }
}

TEST(PrefixList, NoMoreThanAMillion) {
    std::string list;
    for (std::size_t i = 0; i < most_listed; i++) {
        list += "10." + std::to_string(i >> 16) + "." + std::to_string(i >> 8 & 255) + "." +
                std::to_string(i & 255) + "\n";
    }
    EXPECT_EQ(parse_prefix_list(list).value().size(), most_listed);
    const auto more = parse_prefix_list(list + "192.0.2.1\n");
    ASSERT_FALSE(more);
    EXPECT_THAT(more.error().what, HasSubstr("line 1000001: "));
}

}  // namespace
}  // namespace sekisho
