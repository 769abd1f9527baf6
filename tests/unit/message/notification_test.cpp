// SPDX-License-Identifier: Apache-2.0
// The parameters of RFC 3461: read strictly, and written as they were read.
#include "smtpd/message/notification.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho::message {
namespace {

TEST(NotifyTest, IsReadInAnyOrderAndCase) {
    EXPECT_EQ(parse_notify("NEVER"), (Notify{.never = true}));
    EXPECT_EQ(parse_notify("delay,Failure,SUCCESS"),
              (Notify{.success = true, .failure = true, .delay = true}));
    EXPECT_EQ(parse_notify("delay,Failure,SUCCESS")->text(), "SUCCESS,FAILURE,DELAY");
    EXPECT_EQ(parse_notify(Notify{.never = true}.text()), (Notify{.never = true}));
    EXPECT_EQ(Notify().text(), "");
}

TEST(NotifyTest, NeverStandsAloneAndNoWordTwice) {
    for (const char* value :
         {"", ",", "NEVER,SUCCESS", "FAILURE,NEVER", "NEVER,NEVER", "SUCCESS,SUCCESS", "SUCCESS,", ",SUCCESS",
          "SUCCESS,,DELAY", "SUCCESS, DELAY", "ALWAYS", "NEVERX"}) {
        EXPECT_FALSE(parse_notify(value)) << value;
    }
}

TEST(NotifyTest, AFailureIsToldUnlessTheSenderDoesntWantIt) {
    EXPECT_TRUE(Notify().of_failure());
    EXPECT_TRUE(parse_notify("SUCCESS,FAILURE")->of_failure());
    EXPECT_FALSE(parse_notify("NEVER")->of_failure());
    EXPECT_FALSE(parse_notify("SUCCESS,DELAY")->of_failure());
}

TEST(ReturnTest, IsOneOfTwoWords) {
    EXPECT_EQ(parse_return("full"), Return::full);
    EXPECT_EQ(parse_return("HDRS"), Return::headers);
    EXPECT_EQ(text_of(Return::full), "FULL");
    for (const char* value : {"", "FULLY", "HEADERS"}) {
        EXPECT_FALSE(parse_return(value)) << value;
    }
}

TEST(XtextTest, MeansOctets) {
    EXPECT_EQ(decoded_xtext("a+2Bb+3D"), "a+b=");
    for (const char* text : {"+2B", "a", "a+20b"}) {
        EXPECT_TRUE(is_xtext(text)) << text;
    }
    for (const char* text : {"", "+", "+2", "+2b", "a+", "a=b", "a b", "\x7f", "\xc3\xa9"}) {
        EXPECT_FALSE(is_xtext(text)) << text;
    }
}

TEST(EnvelopeIdTest, IsShortAndMeansPrintableOctets) {
    EXPECT_TRUE(is_envelope_id("QQ314159"));
    EXPECT_TRUE(is_envelope_id("a+20b"));
    EXPECT_TRUE(is_envelope_id(std::string(100, 'x')));
    for (const std::string& value :
         {std::string(), std::string(101, 'x'), std::string("+0D+0A"), std::string("+FF")}) {
        EXPECT_FALSE(is_envelope_id(value)) << value;
    }
}

TEST(OriginalRecipientTest, IsATypeAndAnAddress) {
    EXPECT_TRUE(is_original_recipient("rfc822;bob@example.org"));
    EXPECT_TRUE(is_original_recipient("x-local;a+20b"));
    EXPECT_TRUE(is_original_recipient("rfc822;" + std::string(493, 'x')));
    for (const std::string& value :
         {std::string("bob@example.org"), std::string(";bob"), std::string("rfc822;"),
          std::string("rfc 822;bob"), std::string("rfc822;bob+0D+0AX: y"),
          "rfc822;" + std::string(494, 'x')}) {
        EXPECT_FALSE(is_original_recipient(value)) << value;
    }
}

// RFC 6533, 3.
TEST(OriginalRecipientTest, InLettersOfAnyLanguage) {
    for (const char* address :
         {"jorg@example.com", R"(j\x{F6}rg@example.com)", R"(\x{95A2}@\x{1F4EE}.example)", R"(\x{10FFFF})",
          R"(a\x{2B}b\x{3D}\x{5C}\x{20}@example.com)"}) {
        EXPECT_TRUE(is_original_recipient("utf-8;" + std::string(address))) << address;
        EXPECT_TRUE(is_original_recipient("UTF-8;" + std::string(address))) << address;
    }
    for (const char* address : {"",
                                "j\u00f6rg@example.com",
                                "a+2Bb@example.com",
                                "a=b",
                                "a b",
                                "\\",
                                "\\\\",
                                "\\x",
                                "\\x{",
                                "\\x{}",
                                "\\x{F6",
                                "\\x{F}",
                                "\\x{f6}",
                                "\\X{F6}",
                                "\\x{F6 }",
                                "\\x{0D}",
                                "\\x{00000A}",
                                "\\x{7F}",
                                "\\x{D800}",
                                "\\x{DFFF}",
                                "\\x{110000}",
                                "\\x{00000F6}"}) {
        EXPECT_FALSE(is_original_recipient("utf-8;" + std::string(address))) << address;
    }
    EXPECT_TRUE(is_original_recipient("rfc822;a\\b+2B")) << "what it means there is others' business";
}

}  // namespace
}  // namespace sekisho::message
