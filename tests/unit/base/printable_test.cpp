// SPDX-License-Identifier: Apache-2.0
// Escaping of text from strangers.
#include "agent/base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho {
namespace {

TEST(Printable, LeavesTextAlone) {
    EXPECT_EQ(printable(""), "");
    EXPECT_EQ(printable("user@example.org \"x\" 'y' ~"), "user@example.org \"x\" 'y' ~");
    EXPECT_EQ(printable("\xe9\x96\xa2\xe6\x89\x80 \xc3\xa9 \xf0\x9f\x8d\xa3"),
              "\xe9\x96\xa2\xe6\x89\x80 \xc3\xa9 \xf0\x9f\x8d\xa3");
}

TEST(Printable, EveryControlCharacterIsWrittenOut) {
    for (int c = 0; c < 0x20; c++) {
        const std::string out = printable(std::string(1, static_cast<char>(c)));
        ASSERT_EQ(out.size(), 4U);
        EXPECT_EQ(std::stoi(out.substr(2), nullptr, 16), c);
    }
    EXPECT_EQ(printable("\x7f"), "\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"), "\\u{9b}") << "C1: a terminal may take it for ESC [";
    EXPECT_EQ(printable("a\\x0a"), "a\\\\x0a") << "an escape can't be faked";
}

TEST(Printable, WhatTurnsOrHidesTextIsWrittenOut) {
    // NOLINTNEXTLINE(misc-misleading-bidirectional): that is what is tested
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\u{202e}");
    EXPECT_EQ(printable("\xe2\x80\xa8"), "\\u{2028}");
    EXPECT_EQ(printable("\xe2\x80\x8b"), "\\u{200b}");
    EXPECT_EQ(printable("\xef\xbb\xbf"), "\\u{feff}");
    EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "\\u{e0041}");
}

TEST(Printable, WhatIsNotUtf8IsWrittenByteByByte) {
    EXPECT_EQ(printable("\xff"), "\\xff");
    EXPECT_EQ(printable("\x80x"), "\\x80x");
    EXPECT_EQ(printable("\xc3"), "\\xc3") << "cut short";
    EXPECT_EQ(printable("\xe2\x80"), "\\xe2\\x80");
    EXPECT_EQ(printable("\xc0\x8a"), "\\xc0\\x8a") << "overlong line feed";
    EXPECT_EQ(printable("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");
    EXPECT_EQ(printable("\xf0\x80\x80\x8a"), "\\xf0\\x80\\x80\\x8a");
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
}

TEST(Utf8, IsRecognized) {
    for (const char* text :
         {"", "plain", "Gr\xc3\xbc\xc3\x9fz", "\xe9\x96\xa2\xe6\x89\x80", "\xf0\x9f\x93\xac"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
    }
    for (const char* text :
         {"\xff", "a\xc3", "\xc3(", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
        EXPECT_FALSE(is_utf8(text)) << printable(text);
    }
}

}  // namespace
}  // namespace sekisho
