// SPDX-License-Identifier: Apache-2.0
// Streams of syslog, in whatever pieces they come.
#include "agent/logins/syslog_frames.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/logins/log_line.h"

namespace sekisho::logins {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Seen {
    std::vector<std::string> messages;
    bool good = true;
};

Seen read(const std::string& stream, std::size_t piece) {
    SyslogFrames frames;
    Seen seen;
    for (std::size_t at = 0; at < stream.size() && seen.good; at += piece) {
        seen.good = frames.feed(std::string_view(stream).substr(at, piece),
                                [&seen](std::string_view message) { seen.messages.emplace_back(message); });
    }
    return seen;
}

// However the stream is cut.
Seen read(const std::string& stream) {
    const Seen whole = read(stream, stream.size());
    for (std::size_t piece = 1; piece < std::min<std::size_t>(stream.size(), 100); piece++) {
        const Seen cut = read(stream, piece);
        EXPECT_EQ(cut.messages, whole.messages) << piece;
        EXPECT_EQ(cut.good, whole.good) << piece;
    }
    return whole;
}

TEST(SyslogFrames, LinesEndMessages) {
    EXPECT_THAT(read("<13>one\n<13>two\r\n\n<13>three\n").messages,
                ElementsAre("<13>one", "<13>two\r", "<13>three"));
    EXPECT_THAT(read(std::string("<13>one\0<13>two\0", 16)).messages, ElementsAre("<13>one", "<13>two"));
    EXPECT_THAT(read("<13>not whole").messages, IsEmpty());
}

TEST(SyslogFrames, CountsEndMessages) {
    EXPECT_THAT(read("7 <13>one7 <13>two\n8 <13>\nabc").messages,
                ElementsAre("<13>one", "<13>two", "<13>\nabc"));
    EXPECT_THAT(read("9 <13>one").messages, IsEmpty());
    EXPECT_THAT(read("7 <13>one\n\n7 <13>two\n").messages, ElementsAre("<13>one", "<13>two"));
}

// RFC 6587, 3.4: each message says by its first octet how it is framed.
TEST(SyslogFrames, BothKindsInOneStream) {
    EXPECT_THAT(read("<13>one\n7 <13>two<13>three\n").messages,
                ElementsAre("<13>one", "<13>two", "<13>three"));
}

TEST(SyslogFrames, LinesWithoutAPriority) {
    EXPECT_THAT(read("Nov 27 03:33:25 mail imapd: a\n2026-11-27T03:33:25Z mail imapd: b\n0 c\n").messages,
                ElementsAre("Nov 27 03:33:25 mail imapd: a", "2026-11-27T03:33:25Z mail imapd: b", "0 c"));
}

TEST(SyslogFrames, ACountThatNoMessageFollows) {
    for (const char* const stream : {"7 apples\n", "7  <13>one", "7 \n<13>one\n", "99999999 <13>",
                                     "1048577 <13>", "123456789012345678901234567890"}) {
        const Seen seen = read(stream);
        EXPECT_FALSE(seen.good) << stream;
        EXPECT_THAT(seen.messages, IsEmpty()) << stream;
    }
    EXPECT_TRUE(read("1048576 <13>").good);
}

TEST(SyslogFrames, WhatIsTooLongIsLeftOut) {
    const std::string longest = "<13>" + std::string(longest_line - 4, 'a');
    EXPECT_THAT(read(longest + "\n<13>b\n").messages, ElementsAre(longest, "<13>b"));
    EXPECT_THAT(read(longest + "a\n<13>b\n").messages, ElementsAre("<13>b"));
    EXPECT_THAT(read("8192 " + longest + "<13>b\n").messages, ElementsAre(longest, "<13>b"));
    EXPECT_THAT(read("8193 " + longest + "a<13>b\n").messages, ElementsAre("<13>b"));
    // What stands in the rest of it is no message.
    EXPECT_THAT(read("9000 " + longest + std::string(808 - 7, '\n') + "<13>bad<13>b\n").messages,
                ElementsAre("<13>b"));
}

}  // namespace
}  // namespace sekisho::logins
