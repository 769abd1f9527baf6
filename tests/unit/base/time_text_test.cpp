// SPDX-License-Identifier: Apache-2.0
// Moments and durations as text.
#include "agent/base/time_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho {
namespace {

using namespace std::chrono_literals;

TEST(TimeText, MomentsAreRfc3339) {
    using std::chrono::sys_time;
    EXPECT_EQ(rfc3339(sys_time<std::chrono::nanoseconds>{}), "1970-01-01T00:00:00Z");
    EXPECT_EQ(rfc3339(sys_time<std::chrono::nanoseconds>(1'769'903'999s + 999'999'999ns)),
              "2026-01-31T23:59:59Z");
    EXPECT_EQ(rfc3339(sys_time<std::chrono::nanoseconds>(1'709'164'800s)), "2024-02-29T00:00:00Z");
    EXPECT_EQ(rfc3339(sys_time<std::chrono::nanoseconds>(-1ns)), "1969-12-31T23:59:59Z");
}

TEST(TimeText, DurationsAreRead) {
    EXPECT_EQ(parse_duration("90s").value(), 90s);
    EXPECT_EQ(parse_duration("10m").value(), 10min);
    EXPECT_EQ(parse_duration("1h30m").value(), 90min);
    EXPECT_EQ(parse_duration("24h").value(), 24h);
    EXPECT_EQ(parse_duration("7d").value(), 168h);
    EXPECT_EQ(parse_duration("1d1h1m1s").value(), 90'061s);
    EXPECT_EQ(parse_duration("0s").value(), 0s);
    EXPECT_EQ(parse_duration("36500d").value(), std::chrono::days(36'500));
}

TEST(TimeText, WhatIsNoDurationIsRefused) {
    for (const std::string text : {"", "10", "m", "10x", "10M", "-10m", "+10m", " 10m", "10m ", "1.5h",
                                   "10m10m", "30m1h", "1h30", "10 m", "36501d", "36500d1s",
                                   "99999999999999999999s", "9223372036854775807d", "9223372036854775807s"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
    EXPECT_EQ(parse_duration("36501d").error().kind, Failure::refused) << "it is one, but too long";
    EXPECT_EQ(parse_duration("10").error().kind, Failure::invalid);
}

TEST(TimeText, DurationsAreWritten) {
    EXPECT_EQ(duration_text(0s), "0s");
    EXPECT_EQ(duration_text(-5s), "0s");
    EXPECT_EQ(duration_text(59s), "59s");
    EXPECT_EQ(duration_text(90min), "1h30m");
    EXPECT_EQ(duration_text(86'400s), "1d");
    for (const auto seconds : {1s, 61s, 3'601s, 90'061s, 1'000'000s}) {
        EXPECT_EQ(parse_duration(duration_text(seconds)).value(), seconds);
    }
}

}  // namespace
}  // namespace sekisho
