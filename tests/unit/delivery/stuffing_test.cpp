// SPDX-License-Identifier: Apache-2.0
// A body on its way through DATA (RFC 5321, 4.5.2).
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "smtpd/delivery/transaction.h"

namespace sekisho::delivery {
namespace {

std::string stuffed(std::string_view text, std::size_t piece) {
    DotStuffer stuffer;
    std::string out;
    while (!text.empty()) {
        out += stuffer.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    return out + stuffer.finish();
}

TEST(DotStuffing, HoweverItIsCut) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> cases = {{
        {"", ".\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n.a\r\na.\r\n", "...\r\n..a\r\na.\r\n.\r\n"},
        {"a\r\n.\r\nMAIL FROM:<x@example.com>\r\n", "a\r\n..\r\nMAIL FROM:<x@example.com>\r\n.\r\n"},
        {"\r\n\r\n.\r\n\r\n", "\r\n\r\n..\r\n\r\n.\r\n"},
    }};
    for (const auto& [text, expected] : cases) {
        for (std::size_t piece = 1; piece <= text.size() + 1; piece++) {
            EXPECT_EQ(stuffed(text, piece), expected) << piece;
        }
    }
}

TEST(DotStuffing, ADotBehindABareLfIsDoubledToo) {
    // Some servers take the LF for a line's end.
    EXPECT_EQ(stuffed("a\n.\nb\r\n", 1), "a\n..\nb\r\n.\r\n");
}

TEST(DotStuffing, AnEmptyPieceChangesNothing) {
    DotStuffer stuffer;
    EXPECT_EQ(stuffer.feed(""), "");
    EXPECT_EQ(stuffer.feed(".a"), "..a");
    EXPECT_EQ(stuffer.feed(""), "");
    EXPECT_EQ(stuffer.feed(".b"), ".b");
    EXPECT_EQ(stuffer.finish(), "\r\n.\r\n");
}

}  // namespace
}  // namespace sekisho::delivery
