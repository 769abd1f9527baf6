// SPDX-License-Identifier: Apache-2.0
// Letters and digits, at their edges.
#include "agent/base/ascii.h"

#include <gtest/gtest.h>

#include <clocale>

namespace sekisho {
namespace {

TEST(AsciiTest, KindsOfLettersAtTheirEdges) {
    for (const char c : {'a', 'm', 'z', 'A', 'M', 'Z'}) {
        EXPECT_TRUE(is_letter(c) && is_letter_or_digit(c) && !is_digit(c)) << c;
    }
    for (const char c : {'0', '5', '9'}) {
        EXPECT_TRUE(is_digit(c) && is_letter_or_digit(c) && !is_letter(c)) << c;
    }
    for (const char c : {'@', '[', '`', '{', '/', ':', '\0', ' ', '\x7f', '\xc0', '\xe4'}) {
        EXPECT_FALSE(is_letter_or_digit(c)) << static_cast<int>(c);
    }
}

TEST(AsciiTest, OnlyAsciiIsMadeSmall) {
    EXPECT_EQ(lowered("AZaz09@[`{-\xc4"), "azaz09@[`{-\xc4");
    EXPECT_EQ(lowered(""), "");
}

TEST(AsciiTest, NoLocaleChangesIt) {
    const std::string before = std::setlocale(LC_ALL, nullptr);
    std::setlocale(LC_ALL, "tr_TR.ISO-8859-9");
    EXPECT_EQ(lowered("I\xdd"), "i\xdd");
    std::setlocale(LC_ALL, before.c_str());
}

TEST(AsciiTest, WordsAreAlikeButForCapitals) {
    EXPECT_TRUE(same_word("STARTTLS", "StartTls"));
    EXPECT_TRUE(same_word("", ""));
    EXPECT_FALSE(same_word("auth", "autho"));
    EXPECT_FALSE(same_word("a@", "a`"));
}

}  // namespace
}  // namespace sekisho
