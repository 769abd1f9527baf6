// SPDX-License-Identifier: Apache-2.0
// Patterns of names.
#include "agent/base/pattern.h"

#include <gtest/gtest.h>

namespace sekisho {
namespace {

TEST(Pattern, AnyOfThemFits) {
    const std::vector<std::string> patterns = {"anna", "*@example.net"};
    EXPECT_TRUE(fits_any(patterns, "anna"));
    EXPECT_TRUE(fits_any(patterns, "bob@example.net"));
    EXPECT_FALSE(fits_any(patterns, "annabel"));
    EXPECT_FALSE(fits_any(patterns, "Anna")) << "whoever asks folds letters";
    EXPECT_FALSE(fits_any({}, "anna"));
}

TEST(Pattern, ATextWithANulIsNobodys) {
    EXPECT_FALSE(fits_any({"anna", "*"}, std::string("anna\0x", 6)));
}

TEST(Pattern, ABeginningIsANameOrEndsWithAStar) {
    for (const char* const text : {"eth1", "ppp*", "*", "eth1.10"}) {
        EXPECT_TRUE(is_beginning(text)) << text;
    }
    for (const char* const text : {"", "p*p", "ppp**", "eth?", "eth[12]", R"(eth\1)", R"(a"b)"}) {
        EXPECT_FALSE(is_beginning(text)) << text;
    }
}

}  // namespace
}  // namespace sekisho
