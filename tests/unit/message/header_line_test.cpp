// SPDX-License-Identifier: Apache-2.0
// What a line of a header is.
#include "smtpd/message/header_line.h"

#include <gtest/gtest.h>

namespace sekisho::message {
namespace {

TEST(HeaderLine, IsKnownByItsName) {
    EXPECT_EQ(classify("Date: x\r\n"), HeaderLine::date);
    EXPECT_EQ(classify("dATE:x"), HeaderLine::date);
    EXPECT_EQ(classify("Date \t: x\r\n"), HeaderLine::date);
    EXPECT_EQ(classify("MESSAGE-ID:"), HeaderLine::message_id);
    EXPECT_EQ(classify("received: x"), HeaderLine::received);
    EXPECT_EQ(classify("Bcc: x"), HeaderLine::blind_copy);
    EXPECT_EQ(classify("bCC:"), HeaderLine::blind_copy);
    EXPECT_EQ(classify("Resent-Bcc: x"), HeaderLine::blind_copy);
    EXPECT_EQ(classify("Return-path: <x>"), HeaderLine::return_path);
    EXPECT_EQ(classify("X-Bcc: x"), HeaderLine::field);
    EXPECT_EQ(classify("Bccs: Bcc: x"), HeaderLine::field);
    EXPECT_EQ(classify("Resent-Date: x"), HeaderLine::field);
    EXPECT_EQ(classify("Subject: Date: x"), HeaderLine::field);
}

TEST(HeaderLine, ContinuesOrEnds) {
    EXPECT_EQ(classify(" x: y\r\n"), HeaderLine::continuation);
    EXPECT_EQ(classify("\tBcc: y\r\n"), HeaderLine::continuation);
    EXPECT_EQ(classify(" \r\n"), HeaderLine::continuation);
    EXPECT_EQ(classify("\r\n"), HeaderLine::end);
    EXPECT_EQ(classify(""), HeaderLine::end);
}

TEST(HeaderLine, IsNone) {
    for (const char* line : {"Hello\r\n", ": x", " ", "From alice@example.com Tue Nov 24 12:00:00 2026\r\n",
                             "a b: x", "\x01: x", "Caf\xc3\xa9: x", "Date"}) {
        EXPECT_EQ(classify(line), *line == ' ' ? HeaderLine::continuation : HeaderLine::no_field) << line;
    }
}

}  // namespace
}  // namespace sekisho::message
