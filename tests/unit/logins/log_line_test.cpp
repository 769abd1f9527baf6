// SPDX-License-Identifier: Apache-2.0
// Lines of logs, taken apart.
#include "agent/logins/log_line.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace sekisho::logins {
namespace {

using namespace std::chrono_literals;

struct LineSample {
    const char* what;
    std::string text;
    const char* stamp;
    const char* program;
    std::uint32_t pid;  // 0: none
    const char* message;
};

std::ostream& operator<<(std::ostream& out, const LineSample& sample) {
    return out << sample.what;
}

class Lines : public testing::TestWithParam<LineSample> {};

TEST_P(Lines, AreTakenApart) {
    const LineSample& sample = GetParam();
    const LogLine line = read_line(sample.text);
    EXPECT_EQ(line.stamp, sample.stamp);
    EXPECT_EQ(line.program, sample.program);
    EXPECT_EQ(line.pid.value_or(0), sample.pid);
    EXPECT_EQ(line.message, sample.message);
}

const LineSample line_samples[] = {
    {"Classic", "Nov 27 03:33:25 mail imapd[7]: hello: there", "Nov 27 03:33:25", "imapd", 7, "hello: there"},
    {"ClassicWithBlank", "Nov  7 03:33:25 mail imapd: hello", "Nov  7 03:33:25", "imapd", 0, "hello"},
    {"Iso", "2026-11-27T03:33:25.123456+01:00 mail imapd[7]: hello", "2026-11-27T03:33:25.123456+01:00",
     "imapd", 7, "hello"},
    {"IsoZulu", "2026-11-27T03:33:25Z mail imapd[7]: hello", "2026-11-27T03:33:25Z", "imapd", 7, "hello"},
    {"IsoShortZone", "2026-11-27T03:33:25+0100 mail imapd: hello", "2026-11-27T03:33:25+0100", "imapd", 0,
     "hello"},
    {"IsoWithBlank", "2026-11-27 03:33:25 imapd: hello", "2026-11-27 03:33:25", "imapd", 0, "hello"},
    {"Priority", "<22>Nov 27 03:33:25 mail imapd: hello", "Nov 27 03:33:25", "imapd", 0, "hello"},
    {"Rfc5424", "<22>1 2026-11-27T03:33:25.1Z mail imapd 7 ID47 - hello: there", "2026-11-27T03:33:25.1Z",
     "imapd", 7, "hello: there"},
    {"Rfc5424Rsyslog", "<22>1 2026-11-27T03:33:25.123456+01:00 mail imapd 7 - -  hello",
     "2026-11-27T03:33:25.123456+01:00", "imapd", 7, "hello"},
    {"Rfc5424Nil", "<22>1 - - - - - -", "", "", 0, ""},
    {"Rfc5424Data", R"(<22>1 - mail imapd - - [a b="c] d \"] e" f="\\"][g] [h]: hello)", "", "imapd", 0,
     "[h]: hello"},
    {"Rfc5424Mark", "<22>1 - mail imapd 7 - - \xef\xbb\xbfhello", "", "imapd", 7, "hello"},
    {"Rfc5424Process", "<22>1 - mail imapd 7x - - hello", "", "imapd", 0, "hello"},
    {"Rfc5424Dovecot", "<22>1 - mail dovecot 7 - - imap-login: Login: x", "", "imap-login", 0, "Login: x"},
    {"Rfc5424OpenData", R"(<22>1 - mail imapd - - [a b="c] hello)", "", "", 0,
     R"(1 - mail imapd - - [a b="c] hello)"},
    {"Rfc5424NoData", "<22>1 - mail imapd - - hello", "", "", 0, "1 - mail imapd - - hello"},
    {"Rfc5424BadStamp", "<22>1 today mail imapd - - - hello", "", "", 0, "1 today mail imapd - - - hello"},
    {"Rfc5424Short", "<22>1 - mail imapd -", "", "", 0, "1 - mail imapd -"},
    {"Rfc5424OtherVersion", "<22>2 - mail imapd - - - hello", "", "", 0, "2 - mail imapd - - - hello"},
    {"Rfc5424NoPriority", "1 - mail imapd - - - hello", "", "", 0, "1 - mail imapd - - - hello"},
    {"NoStamp", "imapd[7]: hello", "", "imapd", 7, "hello"},
    {"Nul", std::string("imapd[7]: hello\n\0", 17), "", "imapd", 7, "hello"},
    {"NewLine", "imapd[7]: hello\r\n", "", "imapd", 7, "hello"},
    {"Instance", "Nov 27 03:33:25 mail postfix/submission/smtpd[9]: x", "Nov 27 03:33:25",
     "postfix/submission/smtpd", 9, "x"},
    {"HostByAddress", "Nov 27 03:33:25 2001:db8::1 imapd[7]: x", "Nov 27 03:33:25", "imapd", 7, "x"},
    {"DovecotBySyslog", "Nov 27 03:33:25 mail dovecot: pop3-login: Login: x", "Nov 27 03:33:25", "pop3-login",
     0, "Login: x"},
    {"DovecotWithPid", "Nov 27 03:33:25 mail dovecot[4]: pop3-login: Login: x", "Nov 27 03:33:25",
     "pop3-login", 0, "Login: x"},
    {"DovecotsOwnFile", "Nov 27 03:33:25 imap-login: Info: Login: x", "Nov 27 03:33:25", "imap-login", 0,
     "Login: x"},
    {"DovecotsMaster", "Nov 27 03:33:25 mail dovecot: master: Info: x", "Nov 27 03:33:25", "master", 0,
     "Info: x"},
    {"DovecotAlone", "Nov 27 03:33:25 mail dovecot: Hello there", "Nov 27 03:33:25", "dovecot", 0,
     "Hello there"},
    {"NobodySays", "Nov 27 03:33:25 LOGIN alice 192.0.2.1", "Nov 27 03:33:25", "", 0,
     "LOGIN alice 192.0.2.1"},
    {"NoPid", "Nov 27 03:33:25 mail imapd[x]: hello", "Nov 27 03:33:25", "", 0, "mail imapd[x]: hello"},
    {"HugePid", "imapd[99999999999]: hello", "", "", 0, "imapd[99999999999]: hello"},
    {"OpenPid", "imapd[7", "", "", 0, "imapd[7"},
    {"Empty", "", "", "", 0, ""},
    {"OnlyAStamp", "Nov 27 03:33:25", "", "", 0, "Nov 27 03:33:25"},
    {"BadMonth", "Nor 27 03:33:25 mail imapd: hello", "", "", 0, "Nor 27 03:33:25 mail imapd: hello"},
    {"NoPriority", "<2222>imapd: hello", "", "", 0, "<2222>imapd: hello"},
};
INSTANTIATE_TEST_SUITE_P(Each, Lines, testing::ValuesIn(line_samples),
                         [](const auto& each) { return std::string(each.param.what); });

// A zone without summer time, two hours ahead.
std::optional<std::time_t> two_hours_ahead(std::tm fields) {
    return ::timegm(&fields) - 7200;
}

grants::WallTime at(int year, unsigned month, unsigned day, std::chrono::seconds clock) {
    return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) /
                                 std::chrono::day(day)) +
           clock;
}

TEST(Stamps, Classic) {
    const auto now = at(2026, 11, 27, 12h);
    EXPECT_EQ(time_of("Nov 27 13:59:58", now, two_hours_ahead), at(2026, 11, 27, 11h + 59min + 58s));
    EXPECT_EQ(time_of("Nov  1 00:00:00", now, two_hours_ahead), at(2026, 10, 31, 22h));
}

TEST(Stamps, AtTheTurnOfTheYear) {
    EXPECT_EQ(time_of("Dec 31 23:59:59", at(2027, 1, 1, 0h), two_hours_ahead),
              at(2026, 12, 31, 21h + 59min + 59s));
    EXPECT_EQ(time_of("Jan  1 00:00:01", at(2026, 12, 31, 22h), two_hours_ahead), at(2026, 12, 31, 22h + 1s));
}

TEST(Stamps, WhatIsLongAgoIsNotAhead) {
    EXPECT_EQ(time_of("Mar 27 12:00:00", at(2026, 11, 27, 12h), two_hours_ahead), at(2026, 3, 27, 10h));
    EXPECT_EQ(time_of("Nov 28 13:59:59", at(2026, 11, 27, 12h), two_hours_ahead),
              at(2026, 11, 28, 11h + 59min + 59s))
        << "another zone's";
    EXPECT_EQ(time_of("Nov 28 14:00:01", at(2026, 11, 27, 12h), two_hours_ahead), at(2025, 11, 28, 12h + 1s));
}

TEST(Stamps, Iso) {
    const auto now = at(2026, 11, 27, 12h);
    EXPECT_EQ(time_of("2026-11-27T03:33:25Z", now, two_hours_ahead), at(2026, 11, 27, 3h + 33min + 25s));
    EXPECT_EQ(time_of("2026-11-27T03:33:25.5+01:30", now, two_hours_ahead),
              at(2026, 11, 27, 2h + 3min + 25s) + 500ms);
    EXPECT_EQ(time_of("2026-11-27T03:33:25-0100", now, two_hours_ahead), at(2026, 11, 27, 4h + 33min + 25s));
    EXPECT_EQ(time_of("2026-11-27 03:33:25,123456789", now, two_hours_ahead),
              at(2026, 11, 27, 1h + 33min + 25s) + 123456789ns);
}

TEST(Stamps, WhatIsNoTime) {
    const auto now = at(2026, 11, 27, 12h);
    for (const char* stamp :
         {"", "Nov 32 00:00:00", "Nov 27 24:00:00", "Nov 27 00:60:00", "2026-02-30T00:00:00Z",
          "2026-13-01T00:00:00Z", "2026-11-27T25:00:00Z", "yesterday"}) {
        EXPECT_FALSE(time_of(stamp, now, two_hours_ahead)) << stamp;
    }
    EXPECT_FALSE(time_of("Nov 27 00:00:00", now, [](std::tm) { return std::nullopt; }));
}

}  // namespace
}  // namespace sekisho::logins
