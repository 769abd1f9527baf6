// SPDX-License-Identifier: Apache-2.0
// Log lines: their form, and that no stranger can forge one.
#include "agent/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace sekisho::log {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(LogLine, HasLevelNameTextAndFields) {
    EXPECT_EQ(line(Level::info, "GRANT_OPENED", "port 25 opened",
                   {{"key", "192.0.2.1/32"}, {"user", std::string("a b")}, {"count", 3}, {"tls", true}}),
              R"(info GRANT_OPENED "port 25 opened" key=192.0.2.1/32 user="a b" count=3 tls=true)");
    EXPECT_EQ(line(Level::error, "X", "", {}), R"(error X "")");
}

TEST(LogLine, QuotesWhatIsNoPlainWord) {
    EXPECT_EQ(line(Level::info, "X", "t", {{"a", ""}, {"b", "x=y"}, {"c", "ok"}}),
              R"(info X "t" a="" b="x=y" c=ok)");
    EXPECT_EQ(line(Level::info, "X", "t", {{"user", "\xc3\xa9ric"}}), "info X \"t\" user=\"\xc3\xa9ric\"");
}

TEST(LogLine, AHostileUserForgesNothing) {
    // NOLINTNEXTLINE(misc-misleading-bidirectional): that is what is tried here
    const std::string hostile = "x\" key=203.0.113.1\n<3>error FORGED \"\x1b[2J\xe2\x80\xae\\\"";
    const std::string out = line(Level::info, "LOGIN", hostile, {{"user", hostile}});
    EXPECT_EQ(out.find('\n'), std::string::npos);
    EXPECT_EQ(out.find('\x1b'), std::string::npos);
    EXPECT_THAT(out, HasSubstr(R"(user="x\" key=203.0.113.1\x0a<3>error FORGED \"\x1b[2J\u{202e}\\\"")"));
    // Outside of quotes there is one field only.
    std::string outside;
    bool quoted = false;
    for (std::size_t i = 0; i < out.size(); i++) {
        if (out[i] == '\\') {
            i++;
        } else if (out[i] == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            outside += out[i];
        }
    }
    EXPECT_FALSE(quoted);
    EXPECT_EQ(outside, "info LOGIN  user=");
}

// A log that writes into a pipe, restored afterwards.
class LogOutput : public ::testing::Test {
protected:
    LogOutput() { EXPECT_EQ(::pipe(ends_.data()), 0); }
    ~LogOutput() override {
        set_up({});
        ::unsetenv("JOURNAL_STREAM");
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    std::string written() {
        std::array<char, 4096> buffer{};
        // One line is one write: a single read gets the whole of it.
        const ssize_t got = ::read(ends_[0], buffer.data(), buffer.size());
        return {buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0)};
    }
    std::array<int, 2> ends_{};
};

TEST_F(LogOutput, PlainHasTheTime) {
    set_up({.style = Style::plain, .descriptor = ends_[1]});
    warning("DISK_FULL", "no room", {{"path", "/var"}});
    EXPECT_THAT(
        written(),
        MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z warning DISK_FULL \"no room\" path=/var\n"));
}

TEST_F(LogOutput, JournalHasTheLevel) {
    set_up({.lowest = Level::debug, .style = Style::journal, .descriptor = ends_[1]});
    debug("A", "t");
    EXPECT_EQ(written(), "<7>debug A \"t\"\n");
    info("A", "t");
    EXPECT_EQ(written(), "<6>info A \"t\"\n");
    notice("A", "t");
    EXPECT_EQ(written(), "<5>notice A \"t\"\n");
    warning("A", "t");
    EXPECT_EQ(written(), "<4>warning A \"t\"\n");
    error("A", "t");
    EXPECT_EQ(written(), "<3>error A \"t\"\n");
}

TEST_F(LogOutput, LowerLevelsAreLeftOut) {
    set_up({.lowest = Level::notice, .style = Style::journal, .descriptor = ends_[1]});
    info("LEFT_OUT", "t");
    notice("WRITTEN", "t");
    EXPECT_EQ(written(), "<5>notice WRITTEN \"t\"\n");
}

TEST_F(LogOutput, TheJournalIsBelievedOnlyIfItIsThisStream) {
    struct stat status{};
    ASSERT_EQ(::fstat(ends_[1], &status), 0);
    const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    set_up({.descriptor = ends_[1]});
    info("A", "t");
    EXPECT_EQ(written(), "<6>info A \"t\"\n");
    ::setenv("JOURNAL_STREAM", "1:1", 1);
    set_up({.descriptor = ends_[1]});
    info("A", "t");
    EXPECT_THAT(written(), MatchesRegex("2[0-9-]*T.*Z info A \"t\"\n"));
}

TEST_F(LogOutput, AStreamThatCannotBeWrittenHurtsNobody) {
    set_up({.style = Style::plain, .descriptor = -1});
    error("A", "t");
    SUCCEED();
}

}  // namespace
}  // namespace sekisho::log
