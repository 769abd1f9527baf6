// SPDX-License-Identifier: Apache-2.0
// Notices to senders: three parts (RFC 6522) that programs understand (RFC 3464), whatever strangers say.
#include "smtpd/message/dsn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho::message {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::string_view boundary = "=_zzzzzzzzzzzzzzzz_=";

Envelope original() {
    return {.id = "0123456789abcdef",
            .sender = "alice@example.net",
            .recipients = {"bob@example.com"},
            .user = "alice",
            .client = "192.0.2.1",
            .received = WallTime(1'800'000'000s)};
}

ReportedRecipient bob() {
    return {.address = "bob@example.com",
            .status = "5.1.1",
            .diagnostic = "550 5.1.1 unknown",
            .host = "mx.example.com[192.0.2.25]:25",
            .replied = true};
}

std::string notice(const std::vector<ReportedRecipient>& failed,
                   std::string_view header = "Subject: x\r\n\r\n", const Envelope& envelope = original()) {
    return status_notice(envelope, failed, {.octets = header}, "mail.example.net", "zzzzzzzzzzzzzzzz",
                         WallTime(1'800'000'300s));
}

ReportedRecipient arrived() {
    return {.action = ReportedRecipient::Action::delivered,
            .address = "bob@example.com",
            .status = "2.0.0",
            .diagnostic = "250 2.0.0 kept",
            .host = {},
            .replied = true};
}

ReportedRecipient late() {
    ReportedRecipient one = bob();
    one.action = ReportedRecipient::Action::delayed;
    one.status = "5.1.1";
    one.retry_until = WallTime(1'800'100'000s);
    return one;
}

std::vector<std::string> split(std::string_view text, std::string_view at) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = text.find(at);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + at.size());
    }
}

// A part: its header's lines, and what stands behind the empty line.
struct Part {
    std::vector<std::string> header;
    std::string content;
};

Part part_of(std::string_view text) {
    const std::size_t end = text.find("\r\n\r\n");
    return {.header = split(text.substr(0, end), "\r\n"), .content = std::string(text.substr(end + 4))};
}

// The notice itself, and its three parts.
std::vector<Part> parts(const std::string& text) {
    const std::string delimiter = "\r\n--" + std::string(boundary);
    std::vector<std::string> pieces = split(text, delimiter);
    EXPECT_THAT(pieces, SizeIs(5));
    EXPECT_EQ(pieces.back(), "--\r\n") << "the last one closes";
    pieces.pop_back();
    std::vector<Part> all;
    for (std::string& piece : pieces) {
        if (!all.empty()) {
            EXPECT_THAT(piece, StartsWith("\r\n"));
            piece.erase(0, 2);
        }
        // What an empty preamble takes away.
        all.push_back(part_of(all.empty() ? piece + "\r\n" : piece));
    }
    return all;
}

// The fields of message/delivery-status: one group for the message, one for each recipient.
std::vector<std::vector<std::string>> groups(const std::string& text) {
    std::vector<std::vector<std::string>> all;
    for (const std::string& group : split(parts(text).at(2).content, "\r\n\r\n")) {
        all.push_back(split(group, "\r\n"));
    }
    return all;
}

void expect_harmless(const std::string& text) {
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
        EXPECT_TRUE(end > 0 && text[end - 1] == '\r');
        EXPECT_LE(end - begin, 999U);
        begin = end + 1;
    }
    EXPECT_EQ(begin, text.size());
    EXPECT_EQ(std::ranges::count(text, '\r'), std::ranges::count(text, '\n'));
}

TEST(DsnTest, OfADelaySaysUntilWhenItIsTried) {
    const std::string text = notice({late()});
    EXPECT_THAT(text, HasSubstr("\r\nSubject: Delayed mail, which is still tried\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\nAction: delayed\r\nStatus: 4.0.0\r\n")) << "RFC 3463, 3.1: of its class";
    EXPECT_THAT(text, HasSubstr("\r\nWill-Retry-Until: Sat, 16 Jan 2027 11:46:40 +0000\r\n"));
    EXPECT_THAT(notice({bob()}), testing::Not(HasSubstr("Will-Retry-Until")));
}

TEST(DsnTest, TheNoticeItself) {
    const auto all = parts(notice({bob()}));
    EXPECT_THAT(
        all.at(0).header,
        ElementsAre("From: Mail Delivery System <MAILER-DAEMON@mail.example.net>", "To: <alice@example.net>",
                    "Subject: Undelivered mail returned to sender", "Date: Fri, 15 Jan 2027 08:05:00 +0000",
                    "Message-ID: <zzzzzzzzzzzzzzzz@mail.example.net>", "Auto-Submitted: auto-replied",
                    "MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status;",
                    " boundary=\"=_zzzzzzzzzzzzzzzz_=\"", "Content-Transfer-Encoding: 7bit"));
    EXPECT_EQ(all.at(0).content, "");
}

TEST(DsnTest, WordsForPeople) {
    const Part words = parts(notice({bob()})).at(1);
    EXPECT_THAT(words.header, ElementsAre("Content-Type: text/plain; charset=us-ascii"));
    EXPECT_THAT(words.content, HasSubstr("  bob@example.com\r\n    mx.example.com[192.0.2.25]:25 says: "
                                         "550 5.1.1 unknown\r\n"));
}

TEST(DsnTest, FieldsForPrograms) {
    ReportedRecipient carol = bob();
    carol.address = "carol@example.com";
    carol.status = "4.4.1";
    carol.diagnostic = "connect: Connection refused";
    carol.replied = false;
    const std::string text = notice({bob(), carol});
    EXPECT_THAT(parts(text).at(2).header, ElementsAre("Content-Type: message/delivery-status"));
    const auto all = groups(text);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_THAT(all[0], ElementsAre("Reporting-MTA: dns; mail.example.net", "X-Original-Id: 0123456789abcdef",
                                    "Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000"));
    EXPECT_THAT(all[1],
                ElementsAre("Final-Recipient: rfc822; bob@example.com", "Action: failed", "Status: 5.1.1",
                            "Remote-MTA: dns; mx.example.com", "Diagnostic-Code: smtp; 550 5.1.1 unknown",
                            "Last-Attempt-Date: Fri, 15 Jan 2027 08:05:00 +0000"));
    EXPECT_THAT(all[2],
                ElementsAre("Final-Recipient: rfc822; carol@example.com", "Action: failed", "Status: 5.0.0",
                            "Diagnostic-Code: x-sekisho; connect: Connection refused",
                            "Last-Attempt-Date: Fri, 15 Jan 2027 08:05:00 +0000", ""));
}

TEST(DsnTest, AHostThatIsAnAddress) {
    for (const auto& [host, expected] : {std::pair{"[192.0.2.25][192.0.2.25]:25", "[192.0.2.25]"},
                                         std::pair{"192.0.2.25[192.0.2.25]:2525", "192.0.2.25"},
                                         std::pair{"mx.example.com", "mx.example.com"}}) {
        ReportedRecipient each = bob();
        each.host = host;
        EXPECT_EQ(groups(notice({each})).at(1).at(3), std::string("Remote-MTA: dns; ") + expected);
    }
}

TEST(DsnTest, WhatStrangersSayMakesNoFieldsAndNoParts) {
    const std::vector<std::string> hostile = {
        "550 x\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; x@example.com",
        "550 x\nBcc: victim@example.org",
        "550 x\r\n--" + std::string(boundary) + "--\r\n",
        "550 \xc3\xa9\x01\x7f\xff",
        std::string("550 \0x", 6),
        "550 " + std::string(5000, 'x'),
    };
    for (const std::string& words : hostile) {
        const ReportedRecipient each{
            .address = words, .status = words, .diagnostic = words, .host = words, .replied = true};
        Envelope envelope = original();
        envelope.sender = words;
        const std::string text = notice({each, each}, "Subject: x\r\n\r\n", envelope);
        expect_harmless(text);
        EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char c) { return c < 0x7f && c != 0; }));
        const auto all = groups(text);
        ASSERT_EQ(all.size(), 3U) << text;
        EXPECT_EQ(all[0].size(), 3U);
        EXPECT_EQ(all[1].size(), 6U);
        EXPECT_EQ(all[1].at(1), "Action: failed");
        EXPECT_EQ(all[1].at(2), "Status: 5.0.0");
        EXPECT_EQ(parts(text).at(0).header.size(), 10U);
    }
}

TEST(DsnTest, OnlyTheHeaderIsQuoted) {
    const Part part = parts(notice({bob()}, "Subject: x\r\nTo: y\r\n\r\nthe text\r\n\r\n")).at(3);
    EXPECT_THAT(part.header,
                ElementsAre("Content-Type: text/rfc822-headers", "Content-Transfer-Encoding: 7bit"));
    EXPECT_EQ(part.content, "Subject: x\r\nTo: y\r\n");
}

TEST(DsnTest, AHeaderWithoutAnEndOrWithoutAnything) {
    EXPECT_EQ(parts(notice({bob()}, "Subject: x\r\n")).at(3).content, "Subject: x\r\n");
    EXPECT_EQ(parts(notice({bob()}, "Subject: x\r\nTo: half a li")).at(3).content, "Subject: x\r\n");
    EXPECT_EQ(parts(notice({bob()}, "half a line")).at(3).content, "");
    EXPECT_EQ(parts(notice({bob()}, "")).at(3).content, "");
}

TEST(DsnTest, ALongHeaderIsCutBetweenTwoLines) {
    std::string header;
    for (int i = 0; header.size() < 70'000; i++) {
        header += "X-Field-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
    }
    for (const std::size_t size :
         {std::size_t{65'535}, std::size_t{65'536}, std::size_t{65'537}, header.size()}) {
        const std::string quoted = parts(notice({bob()}, header.substr(0, size))).at(3).content;
        EXPECT_LE(quoted.size(), 65'536U);
        EXPECT_GT(quoted.size(), 65'400U);
        EXPECT_EQ(header.substr(0, quoted.size()), quoted);
        EXPECT_THAT(quoted, testing::EndsWith("x\r\n"));
    }
    EXPECT_EQ(parts(notice({bob()}, std::string(70'000, 'x') + "\r\n")).at(3).content, "");
}

TEST(DsnTest, WhatTheSenderHasNamedItByIsThere) {
    Envelope envelope = original();
    envelope.envelope_id = "QQ+2B314";
    ReportedRecipient each = bob();
    each.original = "rfc822;Bob+2Bx@example.org";
    const auto all = groups(notice({each}, "Subject: x\r\n\r\n", envelope));
    EXPECT_EQ(all.at(0).at(0), "Original-Envelope-Id: QQ+314");
    EXPECT_EQ(all.at(1).at(0), "Original-Recipient: rfc822; Bob+x@example.org");
    EXPECT_EQ(all.at(1).at(1), "Final-Recipient: rfc822; bob@example.com");
    each.original = "utf-8;j\\x{F6}rg\\x{2B}x@example.org";
    EXPECT_EQ(groups(notice({each})).at(1).at(0),
              "Original-Recipient: utf-8; j\\x{F6}rg\\x{2B}x@example.org");
}

ReportedRecipient carol() {
    return {.action = ReportedRecipient::Action::relayed,
            .address = "carol@example.com",
            .status = "2.1.5",
            .diagnostic = "250 2.1.5 kept",
            .host = "mx.example.com[192.0.2.25]:25",
            .replied = true};
}

TEST(DsnTest, WhatWasPassedOn) {
    const std::string text = notice({carol()});
    EXPECT_THAT(parts(text).at(0).header, testing::Contains("Subject: Mail has been passed on"));
    EXPECT_THAT(parts(text).at(1).content,
                testing::AllOf(HasSubstr("was passed on to"), HasSubstr("  carol@example.com\r\n"),
                               testing::Not(HasSubstr("could not be delivered"))));
    EXPECT_THAT(groups(text).at(1),
                ElementsAre("Final-Recipient: rfc822; carol@example.com", "Action: relayed", "Status: 2.1.5",
                            "Remote-MTA: dns; mx.example.com", "Diagnostic-Code: smtp; 250 2.1.5 kept",
                            "Last-Attempt-Date: Fri, 15 Jan 2027 08:05:00 +0000", ""));
    ReportedRecipient odd = carol();
    odd.status = "5.1.1";
    EXPECT_EQ(groups(notice({odd})).at(1).at(2), "Status: 2.0.0");
}

TEST(DsnTest, BothFatesInOneNotice) {
    const std::string text = notice({carol(), bob()});
    EXPECT_THAT(parts(text).at(0).header, testing::Contains("Subject: Undelivered mail returned to sender"));
    const std::string words = parts(text).at(1).content;
    EXPECT_LT(words.find("  bob@example.com"), words.find("was passed on"));
    EXPECT_LT(words.find("was passed on"), words.find("  carol@example.com"));
    EXPECT_EQ(groups(text).at(1).at(1), "Action: relayed");
    EXPECT_EQ(groups(text).at(2).at(1), "Action: failed");
}

TEST(DsnTest, TheWholeMessageIsEnclosedAsItIs) {
    const std::string message = "Subject: x\r\n\r\nthe text \xc3\xa9\r\n.\r\n";
    const std::string text = status_notice(original(), {bob()}, {.octets = message, .whole = true},
                                           "mail.example.net", "zzzzzzzzzzzzzzzz", WallTime(1'800'000'300s));
    const Part part = parts(text).at(3);
    EXPECT_THAT(part.header, ElementsAre("Content-Type: message/rfc822", "Content-Transfer-Encoding: 8bit"));
    EXPECT_EQ(part.content, message);
    EXPECT_THAT(parts(text).at(1).content, HasSubstr("The message is below.\r\n"));
}

TEST(DsnTest, EightBitsAreSaidToBeThere) {
    const auto all = parts(notice({bob()}, "Subject: \xc3\xa9\r\n\r\n"));
    EXPECT_THAT(all.at(0).header, testing::Contains("Content-Transfer-Encoding: 8bit"));
    EXPECT_THAT(all.at(3).header, testing::Contains("Content-Transfer-Encoding: 8bit"));
    EXPECT_EQ(all.at(3).content, "Subject: \xc3\xa9\r\n");
}

TEST(StatusNotice, OfWhatIsInTheMailbox) {
    const std::string text = notice({arrived()});
    EXPECT_THAT(text, HasSubstr("Subject: Mail has arrived\r\n"));
    EXPECT_THAT(text, HasSubstr("has arrived in the mailboxes of:\r\n\r\n  bob@example.com\r\n"));
    EXPECT_THAT(
        text,
        HasSubstr("\r\nAction: delivered\r\nStatus: 2.0.0\r\nDiagnostic-Code: smtp; 250 2.0.0 kept\r\n"));
    EXPECT_THAT(notice({bob(), arrived()}), HasSubstr("Subject: Undelivered mail returned to sender\r\n"));
}

// RFC 6533: what it is about in letters of any language, the fields in ASCII.
TEST(StatusNotice, OfAddressesInLettersOfAnyLanguage) {
    ReportedRecipient joerg = bob();
    joerg.address = "j\u00f6rg+\u95a2@b\u00fccher.example";
    const std::string text = notice({joerg}, "Subject: gr\u00fc\u00dfe\r\n\r\n");
    EXPECT_THAT(text,
                HasSubstr("\r\nFinal-Recipient: utf-8; j\\x{F6}rg\\x{2B}\\x{95A2}@b\\x{FC}cher.example\r\n"));
    EXPECT_THAT(text, HasSubstr("\r\n  j\u00f6rg+\u95a2@b\u00fccher.example\r\n"));
    EXPECT_THAT(text,
                HasSubstr("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
    EXPECT_THAT(text,
                HasSubstr("Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n"));
    EXPECT_THAT(text, HasSubstr("boundary=\"=_zzzzzzzzzzzzzzzz_=\"\r\nContent-Transfer-Encoding: 8bit\r\n"));
    joerg.address = "\"a b\"@b\u00fccher.example";
    EXPECT_THAT(notice({joerg}), HasSubstr("Final-Recipient: utf-8; \"a\\x{20}b\"@b\\x{FC}cher.example\r\n"));
    joerg.address = "\xff@example.com";
    EXPECT_THAT(notice({joerg}), HasSubstr("Final-Recipient: rfc822; ?@example.com\r\n"));
}

}  // namespace
}  // namespace sekisho::message
