// SPDX-License-Identifier: Apache-2.0
// Strangers' replies: what is one, what it says, and what is none.
#include "smtpd/delivery/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/printable.h"

namespace sekisho::delivery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// The first reply in the text; the text is fed at once.
Result<std::optional<Reply>> read(std::string_view text) {
    ReplyReader reader;
    return reader.feed(text);
}

Reply reply(std::string_view text) {
    return read(text).value().value();
}

std::string trouble(std::string_view text) {
    const auto got = read(text);
    return got ? "(none)" : got.error().what;
}

TEST(ReplyTest, OneLine) {
    const Reply said = reply("250 2.1.5 Ok\r\n");
    EXPECT_EQ(said.code, 250);
    EXPECT_THAT(said.lines, ElementsAre("2.1.5 Ok"));
    EXPECT_EQ(said.text(), "250 2.1.5 Ok");
    EXPECT_TRUE(said.positive());
    EXPECT_FALSE(said.permanent());
}

TEST(ReplyTest, SeveralLines) {
    const Reply said = reply("550-5.1.1 No such user\r\n550-\r\n550 here\r\n");
    EXPECT_EQ(said.code, 550);
    EXPECT_THAT(said.lines, ElementsAre("5.1.1 No such user", "", "here"));
    EXPECT_EQ(said.text(), "550 5.1.1 No such user  here");
    EXPECT_TRUE(said.permanent());
}

TEST(ReplyTest, ACodeAloneIsOneAndSoIsALineThatEndsInLf) {
    EXPECT_EQ(reply("354\r\n").code, 354);
    EXPECT_THAT(reply("250-a\n250 b\n").lines, ElementsAre("a", "b"));
}

TEST(ReplyTest, OnlyWhatIsDoneIsPositive) {
    EXPECT_TRUE(reply("251 x\r\n").positive());
    for (const char* said : {"354 go on\r\n", "421 x\r\n", "550 x\r\n"}) {
        EXPECT_FALSE(reply(said).positive()) << said;
    }
}

TEST(ReplyTest, HoweverItIsCut) {
    const std::string text = "250-mx.example.com\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";
    for (std::size_t cut = 0; cut < text.size(); cut++) {
        ReplyReader reader;
        ASSERT_FALSE(reader.feed(text.substr(0, cut)).value()) << cut;
        const auto rest = reader.feed(text.substr(cut)).value();
        ASSERT_TRUE(rest) << cut;
        EXPECT_THAT(rest->lines, ElementsAre("mx.example.com", "SIZE 1000", "8BITMIME"));
    }
}

TEST(ReplyTest, SeveralAtOnceComeOneByOne) {
    ReplyReader reader;
    EXPECT_EQ(reader.feed("250 one\r\n354 two\r\n55").value()->text(), "250 one");
    EXPECT_EQ(reader.feed("").value()->text(), "354 two");
    EXPECT_FALSE(reader.feed("").value());
    EXPECT_EQ(reader.feed("0 three\r\n").value()->text(), "550 three");
}

TEST(ReplyTest, WhatIsNone) {
    for (const char* said : {"\r\n", "25\r\n", "250x\r\n", "150 x\r\n", "600 x\r\n", "2x0 x\r\n",
                             " 250 x\r\n", "HTTP/1.1 400 Bad Request\r\n", "250\tx\r\n", "SSH-2.0-x\n"}) {
        EXPECT_THAT(trouble(said), StartsWith("this is no SMTP server: ")) << said;
    }
    EXPECT_EQ(trouble("250-a\r\n550 b\r\n"), "the server's reply contradicts itself");
    EXPECT_THAT(trouble("250-a\r\nb\r\n"), StartsWith("this is no SMTP server: "));
}

TEST(ReplyTest, OneThatNeverEndsIsNotReadForever) {
    constexpr std::size_t enough = 70'000;
    ReplyReader one_line;
    std::size_t fed = 0;
    while (fed < enough && one_line.feed("2")) {
        fed++;
    }
    EXPECT_LT(fed, enough);
    ReplyReader many_lines;
    fed = 0;
    while (fed < enough && many_lines.feed("250-\r\n")) {
        fed += 4;
    }
    EXPECT_LT(fed, enough);
}

TEST(ReplyTest, TheLongestIsTheSameHoweverItIsCut) {
    for (const std::size_t size : {std::size_t{65'536}, std::size_t{65'537}}) {
        const std::string line = "250 " + std::string(size - 4, 'x') + "\r\n";
        const bool at_once = read(line).has_value();
        ReplyReader reader;
        EXPECT_EQ(std::ranges::all_of(line, [&](char c) { return reader.feed({&c, 1}).has_value(); }),
                  at_once)
            << size;
        EXPECT_EQ(at_once, size <= 65'536);
    }
}

TEST(ReplyTest, StatusCodes) {
    EXPECT_EQ(reply("550 5.1.1 x\r\n").status(), "5.1.1");
    EXPECT_EQ(reply("550 5.1.1\r\n").status(), "5.1.1");
    EXPECT_EQ(reply("550-see http://mx.example.com\r\n550 5.7.100 x\r\n").status(), "5.7.100");
    EXPECT_EQ(reply("451 x\r\n").status(), "4.0.0");
    EXPECT_EQ(reply("451\r\n").status(), "4.0.0");
    for (const char* none : {"5.1", "5.1.", "5..1", "5.1.1.1", "5.1.1x", "4.1.1", "5.1111.1", "5.1.1111", "5",
                             "", ".", "55.1.1", "5.-1.1", "192.0.2.1"}) {
        EXPECT_EQ(reply(std::string("550 ") + none + " x\r\n").status(), "5.0.0") << none;
    }
}

TEST(ReplyTest, Extensions) {
    const Reply said =
        reply("250-STARTTLS greets you\r\n250-Size 1000\r\n250-8bitmime\r\n250 AUTH=LOGIN\r\n");
    EXPECT_TRUE(said.offers("SIZE"));
    EXPECT_TRUE(said.offers("8BITMIME"));
    EXPECT_FALSE(said.offers("STARTTLS")) << "the first line is a greeting";
    EXPECT_FALSE(said.offers("AUTH"));
    EXPECT_FALSE(said.offers("SIZ"));
    EXPECT_FALSE(Reply().offers("SIZE"));
}

TEST(ReplyTest, WhatIsShownIsShortAndHarmless) {
    const std::vector<std::string> hostile = {
        "550 " + std::string(2000, 'x') + "\r\n",
        "550 " + std::string(2000, '\x01') + "\r\n",
        "550 \x1b]0;title\x07\rReceived: forged\r\n",
        "550 a\r\xe2\x80\xae b\xff\r\n",
        std::string("550 \0x\r\n", 8),
    };
    for (std::string said : hostile) {
        // Cut at any place within a character.
        for (int shift = 0; shift < 4; shift++) {
            said.insert(4, "\xf0\x9f\x93\xab");
            said.insert(4, "y");
            const std::string text = reply(said).text();
            EXPECT_LE(text.size(), 500U);
            EXPECT_TRUE(is_utf8(text));
            EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c != 0x7f; }));
        }
    }
    std::string characters = "550 ";
    for (int i = 0; i < 400; i++) {
        characters += "\xf0\x9f\x93\xab";
    }
    for (int shift = 0; shift < 4; shift++) {
        characters.insert(4, "y");
        EXPECT_TRUE(is_utf8(reply(characters + "\r\n").text()));
        EXPECT_THAT(reply(characters + "\r\n").text(), testing::EndsWith("..."));
        EXPECT_THAT(reply(characters + "\r\n").text(), testing::Not(HasSubstr("\\x")));
    }
    EXPECT_LE(trouble(std::string(2000, '\x01') + "\r\n").size(), 550U);
}

}  // namespace
}  // namespace sekisho::delivery
