// SPDX-License-Identifier: Apache-2.0
// The two readers by themselves, at every cut.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/session/body_reader.h"
#include "smtpd/session/line_reader.h"

namespace sekisho::session {
namespace {

std::size_t hundred_for_longer_ones(std::string_view start) {
    return start.starts_with("LONG") ? 600 : LineReader::always;
}

// Lines as text, one after the other.
std::string lines_of(LineReader& reader, std::string_view input) {
    std::string text;
    while (!input.empty()) {
        const auto line = reader.take(input, &hundred_for_longer_ones);
        switch (line.kind) {
            case LineReader::Kind::part:
                break;
            case LineReader::Kind::whole:
                text += '[' + std::string(line.text) + ']';
                break;
            case LineReader::Kind::malformed:
                text += "malformed;";
                break;
            case LineReader::Kind::too_long:
                text += "too long;";
                break;
            case LineReader::Kind::endless:
                text += "endless;";
                break;
        }
    }
    return text;
}

TEST(LineReader, IsTheSameAtEveryCut) {
    std::string input = "EHLO x\r\n\r\nNOOP\r\r\nA\nB\r\n";
    input += std::string("N\0\r\n", 4) + std::string(510, 'x') + "\r\n" + std::string(511, 'x') + "\r\n";
    input += "LONG" + std::string(594, 'x') + "\r\nLONG" + std::string(595, 'x') + "\r\nQUIT\r\n";
    const std::string expected = "[EHLO x][]malformed;malformed;malformed;[" + std::string(510, 'x') +
                                 "]too long;[LONG" + std::string(594, 'x') + "]too long;[QUIT]";
    for (std::size_t cut = 0; cut <= input.size(); cut++) {
        LineReader reader;
        std::string text = lines_of(reader, input.substr(0, cut));
        text += lines_of(reader, input.substr(cut));
        ASSERT_EQ(text, expected) << cut;
    }
    LineReader reader;
    std::string text;
    for (const char octet : input) {
        text += lines_of(reader, {&octet, 1});
    }
    EXPECT_EQ(text, expected);
}

TEST(LineReader, LeavesTheRestOfTheInput) {
    LineReader reader;
    std::string_view input = "ONE\r\nTWO\r\n";
    EXPECT_EQ(reader.take(input, &hundred_for_longer_ones).text, "ONE");
    EXPECT_EQ(input, "TWO\r\n");
}

// What a body became: octets, then how it ended, then what was left.
struct Read {
    std::string octets;
    BodyReader::Fault fault = BodyReader::Fault::none;
    bool ended = false;
    std::string rest;

    bool operator==(const Read&) const = default;
};

Read read_in_pieces(std::string_view input, std::size_t first, std::size_t piece, std::uint64_t largest) {
    BodyReader reader(largest);
    Read read;
    std::size_t size = first;
    while (!input.empty()) {
        std::string_view part = input.substr(0, size);
        input.remove_prefix(part.size());
        size = piece;
        if (reader.ended()) {
            read.rest += part;
            continue;
        }
        reader.take(part, read.octets);
        read.rest += part;
    }
    read.fault = reader.fault();
    read.ended = reader.ended();
    if (read.fault != BodyReader::Fault::none) {
        read.octets.clear();
    }
    return read;
}

Read read_whole(std::string_view input, std::uint64_t largest = 100'000) {
    return read_in_pieces(input, input.size(), 1, largest);
}

void expect_same_at_every_cut(std::string_view input, std::uint64_t largest = 100'000) {
    const Read whole = read_whole(input, largest);
    for (std::size_t cut = 1; cut < input.size(); cut++) {
        ASSERT_EQ(read_in_pieces(input, cut, input.size(), largest), whole) << "cut at " << cut;
    }
    ASSERT_EQ(read_in_pieces(input, 1, 1, largest), whole) << "octet by octet";
    ASSERT_EQ(read_in_pieces(input, 2, 3, largest), whole) << "in threes";
}

TEST(BodyReader, UnstuffsDots) {
    const Read read = read_whole("a\r\n..\r\n.b\r\n...\r\nc.\r\n\r\n.\r\nNOOP\r\n");
    EXPECT_EQ(read.octets, "a\r\n.\r\nb\r\n..\r\nc.\r\n\r\n");
    EXPECT_EQ(read.rest, "NOOP\r\n");
    EXPECT_TRUE(read.ended);
    expect_same_at_every_cut("a\r\n..\r\n.b\r\n...\r\nc.\r\n\r\n.\r\nNOOP\r\n");
}

TEST(BodyReader, EndsAtOnce) {
    const Read read = read_whole(".\r\n.\r\n");
    EXPECT_EQ(read.octets, "");
    EXPECT_EQ(read.rest, ".\r\n");
}

// What is to become of a message, octet by octet: ended by the first CRLF.CRLF, and at fault with the first
// CR, LF or NUL that is none of a line end's, or octet that is too many. What could still be the end counts
// when it isn't.
Read read_naively(std::string_view input, std::uint64_t largest) {
    const std::size_t dot = ("\r\n" + std::string(input)).find("\r\n.\r\n");
    const std::string_view text = input.substr(0, dot);
    Read read{.octets = {}, .ended = true, .rest = std::string(input.substr(dot + 3))};
    bool line_start = true;
    bool stuffed = false;
    for (std::size_t i = 0; i < text.size() && read.fault == BodyReader::Fault::none; i++) {
        const bool behind_return = i > 0 && text[i - 1] == '\r';
        const bool end = stuffed && text[i] == '\r';
        stuffed = line_start && text[i] == '.';
        if (behind_return != (text[i] == '\n')) {
            read.fault = BodyReader::Fault::bare_line_end;
        } else if (text[i] == '\0') {
            read.fault = BodyReader::Fault::nul;
        } else if (!stuffed && !end && read.octets.size() == largest) {
            read.fault = BodyReader::Fault::too_large;
        } else if (!stuffed && !end) {
            read.octets += text[i];
        }
        line_start = text[i] == '\n';
    }
    if (read.fault != BodyReader::Fault::none) {
        read.octets.clear();
    }
    return read;
}

// Texts of six letters over those that matter.
std::vector<std::string> all_sequences() {
    constexpr std::string_view letters("\r\n.\0a", 5);
    constexpr std::size_t length = 6;
    std::vector<std::string> all = {""};
    for (std::size_t i = 0; i < length; i++) {
        std::vector<std::string> longer;
        for (const std::string& each : all) {
            for (const char letter : letters) {
                longer.push_back(each + letter);
            }
        }
        all = std::move(longer);
    }
    return all;
}

// Each inside a message, whatever its size may be: who finds another end than the first CRLF.CRLF, or another
// fault, there or at another cut, is wrong.
TEST(BodyReader, FindsTheTrueEndAndTheFaultAmongAllSequences) {
    constexpr std::array<std::uint64_t, 8> sizes = {0, 1, 2, 3, 4, 5, 6, 100'000};
    for (const std::string& sequence : all_sequences()) {
        const std::string input = sequence + "\r\n.\r\nQUIT\r\n";
        for (const std::uint64_t largest : sizes) {
            const Read expected = read_naively(input, largest);
            const auto where = [&] {
                return testing::PrintToString(sequence) + " " + std::to_string(largest);
            };
            ASSERT_EQ(read_whole(input, largest), expected) << where();
            ASSERT_EQ(read_in_pieces(input, 1, 1, largest), expected) << where();
            ASSERT_EQ(read_in_pieces(input, 3, 4, largest), expected) << where();
        }
    }
}

TEST(BodyReader, FirstFaultCounts) {
    EXPECT_EQ(read_whole(std::string_view("a\0b\nc", 5)).fault, BodyReader::Fault::nul);
    EXPECT_EQ(read_whole(std::string_view("a\nb\0c", 5)).fault, BodyReader::Fault::bare_line_end);
    EXPECT_EQ(read_whole(std::string(999, 'x') + "\n").fault, BodyReader::Fault::long_line);
    EXPECT_EQ(read_whole(std::string(998, 'x') + "\n").fault, BodyReader::Fault::bare_line_end);
    EXPECT_EQ(read_whole(std::string(999, 'x'), 998).fault, BodyReader::Fault::too_large);
    EXPECT_EQ(read_whole(std::string(999, 'x'), 999).fault, BodyReader::Fault::long_line);
    EXPECT_EQ(read_whole("1234\r\n", 5).fault, BodyReader::Fault::too_large);
    EXPECT_EQ(read_whole("1234\r\n", 6).fault, BodyReader::Fault::none);
}

TEST(BodyReader, LimitsAreTheSameAtEveryCut) {
    expect_same_at_every_cut(std::string(999, 'x') + "\r\n.\r\nQUIT\r\n");
    expect_same_at_every_cut("." + std::string(998, 'x') + "\r\n.\r\nQUIT\r\n");
    expect_same_at_every_cut("." + std::string(999, 'x') + "\r\n.\r\nQUIT\r\n");
    for (std::uint64_t largest = 0; largest < 20; largest++) {
        expect_same_at_every_cut("123\r\n..4\r\n\r\nabc\r\n.\r\nQUIT\r\n", largest);
    }
    expect_same_at_every_cut(std::string("abc\r\nd\0\n.\r\ne\r\n.\r\nQUIT\r\n", 23));
}

TEST(BodyReader, AfterDiscardOnlyTheEndMatters) {
    BodyReader reader(100);
    std::string octets;
    std::string_view first = "a\r\n.";
    reader.take(first, octets);
    reader.discard();
    std::string_view second = "b\n.\nc\r\n.\r\nNOOP\r\n";
    reader.take(second, octets);
    EXPECT_TRUE(reader.ended());
    EXPECT_EQ(reader.fault(), BodyReader::Fault::none);
    EXPECT_EQ(octets, "a\r\n");
    EXPECT_EQ(second, "NOOP\r\n");
}

}  // namespace
}  // namespace sekisho::session
