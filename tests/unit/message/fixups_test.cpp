// SPDX-License-Identifier: Apache-2.0
// What becomes of a message's header, whole and at every cut.
#include "smtpd/message/fixups.h"

#include <gmock/gmock.h>

namespace sekisho::message {
namespace {

using testing::HasSubstr;
using testing::Not;

Trace example_trace() {
    return {.hostname = "mail.example.net",
            .helo = "client.example.com",
            .client = "192.0.2.1",
            .protocol = "ESMTPSA",
            .tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384",
            .id = "0123456789abcdef",
            .recipient = "bob@example.org",
            .received =
                WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + std::chrono::hours(12))};
}

const std::string received =
    "Received: from client.example.com ([192.0.2.1])\r\n"
    "\tby mail.example.net with ESMTPSA (TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
    "\tid 0123456789abcdef\r\n"
    "\tfor <bob@example.org>;\r\n"
    "\tTue, 24 Nov 2026 12:00:00 +0000\r\n";
const std::string date = "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n";
const std::string message_id = "Message-ID: <1795521600.0123456789abcdef@mail.example.net>\r\n";

// The message after Fixups, or the refusal; fed in two pieces.
std::string fixed(std::string_view message, std::size_t cut = 0, Duty duty = Duty::submission) {
    Fixups fixups(example_trace(), duty);
    std::string out;
    for (const std::string_view piece : {message.substr(0, cut), message.substr(cut)}) {
        const auto fed = fixups.feed(piece);
        if (!fed) {
            EXPECT_EQ(fed.error().kind, Failure::refused);
            return fed.error().what;
        }
        out += *fed;
    }
    const auto rest = fixups.finish();
    return rest ? out + *rest : rest.error().what;
}

// Also: it is the same at every cut.
std::string fixed_everywhere(std::string_view message) {
    const std::string whole = fixed(message);
    for (std::size_t cut = 1; cut <= message.size(); cut++) {
        EXPECT_EQ(fixed(message, cut), whole) << "cut at " << cut;
    }
    return whole;
}

// RFC 5321, 4.4.
TEST(Fixups, NobodyBringsAReturnPath) {
    EXPECT_EQ(fixed_everywhere(
                  "Date: x\r\nReturn-Path:\r\n <x@example.com>\r\nMessage-ID: <y>\r\n\r\nReturn-Path: z\r\n"),
              received + "Date: x\r\nMessage-ID: <y>\r\n\r\nReturn-Path: z\r\n");
    EXPECT_EQ(fixed("Return-Path: <x>\r\n\r\n", 0, Duty::relay), received + "Return-Path: <x>\r\n\r\n");
}

// RFC 5321, 6.4.
TEST(Fixups, AnotherHostsMailGetsItsTraceAndNothingElse) {
    for (const char* message : {"Bcc: <x@example.com>\r\nSubject: x\r\n\r\nHello\r\n", "Hello\r\n", "\r\n",
                                "", "Subject: x", "Subject: x\r\n"}) {
        const std::string out = fixed(message, 0, Duty::relay);
        ASSERT_TRUE(out.starts_with(received)) << message;
        const std::string rest = out.substr(received.size());
        EXPECT_THAT(rest, testing::AnyOf(message, "\r\n" + std::string(message),
                                         std::string(message) + "\r\n", std::string(message) + "\r\n\r\n"));
        EXPECT_EQ(fixed(message, std::string_view(message).size() / 2, Duty::relay), out);
    }
    EXPECT_EQ(fixed("Bcc: x\r\n\r\nHello\r\n", 0, Duty::relay), received + "Bcc: x\r\n\r\nHello\r\n");
}

TEST(Fixups, AddWhatIsMissing) {
    EXPECT_EQ(fixed_everywhere("From: <alice@example.com>\r\nSubject: x\r\n\r\nHello\r\n"),
              received + "From: <alice@example.com>\r\nSubject: x\r\n" + date + message_id + "\r\nHello\r\n");
}

TEST(Fixups, KeepWhatIsThere) {
    const std::string message =
        "DATE: x\r\nmessage-id\t: <y@example.com>\r\nSubject: a\r\n  b\r\n\tc\r\nX:\xff\xfe\r\n\r\nDate: "
        "z\r\n\r\n\r\n";
    EXPECT_EQ(fixed_everywhere(message), received + message);
}

TEST(Fixups, RemoveBlindCopies) {
    EXPECT_EQ(
        fixed_everywhere("Date: x\r\nBcc: <a@example.com>,\r\n <b@example.com>,\r\n\t<c@example.com>\r\n"
                         "To: <d@example.com>,\r\n <e@example.com>\r\nMessage-ID: <y>\r\nresent-bcc : "
                         "<f@example.com>\r\n \r\n"
                         "BCC:\r\nX-Bcc: z\r\n\r\nBcc: in the text\r\n folded\r\n"),
        received +
            "Date: x\r\nTo: <d@example.com>,\r\n <e@example.com>\r\nMessage-ID: <y>\r\nX-Bcc: z\r\n\r\n"
            "Bcc: in the text\r\n folded\r\n");
}

TEST(Fixups, OnlyNamesCount) {
    EXPECT_EQ(fixed_everywhere("Subject: Date: x\r\n Message-ID: <y>\r\n\tBcc: z\r\n\r\n"),
              received + "Subject: Date: x\r\n Message-ID: <y>\r\n\tBcc: z\r\n" + date + message_id + "\r\n");
}

TEST(Fixups, ATextWithoutHeaderStaysAText) {
    EXPECT_EQ(fixed_everywhere("Hello world\r\nBcc: x\r\n"),
              received + date + message_id + "\r\nHello world\r\nBcc: x\r\n");
    EXPECT_EQ(fixed_everywhere(" indented: x\r\n"), received + date + message_id + "\r\n indented: x\r\n");
    EXPECT_EQ(fixed_everywhere("\r\nHello\r\n"), received + date + message_id + "\r\nHello\r\n");
}

TEST(Fixups, AHeaderThatBreaksOffEndsThere) {
    EXPECT_EQ(fixed_everywhere("Date: x\r\nno field\r\nBcc: y\r\n\r\nHello\r\n"),
              received + "Date: x\r\n" + message_id + "\r\nno field\r\nBcc: y\r\n\r\nHello\r\n");
    EXPECT_EQ(fixed_everywhere("Bcc: x\r\n: y\r\n z\r\n"),
              received + date + message_id + "\r\n: y\r\n z\r\n");
}

TEST(Fixups, AMessageThatIsNothingButAHeader) {
    EXPECT_EQ(fixed_everywhere(""), received + date + message_id + "\r\n");
    EXPECT_EQ(fixed_everywhere("Date: x\r\n"), received + "Date: x\r\n" + message_id + "\r\n");
    EXPECT_EQ(fixed_everywhere("Date: x"), received + "Date: x\r\n" + message_id + "\r\n");
    EXPECT_EQ(fixed_everywhere("Bcc: x"), received + date + message_id + "\r\n");
    EXPECT_EQ(fixed_everywhere("Hello"), received + date + message_id + "\r\nHello");
    EXPECT_EQ(fixed_everywhere("\r\n"), received + date + message_id + "\r\n");
}

TEST(Fixups, CountTheHops) {
    std::string message;
    for (int i = 0; i < 50; i++) {
        message += i % 2 == 0 ? "Received: from a\r\n\tby b\r\n" : "RECEIVED : x\r\n";
    }
    EXPECT_THAT(fixed(message + "\r\nReceived: x\r\n"), HasSubstr("Received: from a\r\n\tby b\r\n"));
    EXPECT_EQ(fixed_everywhere(message + "received: x\r\n\r\n"), "554 5.4.6 Too many hops");
}

TEST(Fixups, LimitTheHeader) {
    constexpr std::size_t limit = std::size_t{256} * 1024;
    const std::string refusal = "554 5.6.0 Message header over 256 KiB";
    std::string header;
    while (header.size() < limit) {
        header += "X: " + std::string(59, 'x') + "\r\n";
    }
    ASSERT_EQ(header.size(), limit);
    EXPECT_EQ(fixed(header), received + header + date + message_id + "\r\n");
    EXPECT_EQ(fixed(header + "X: y\r\n\r\n"), refusal);
    EXPECT_EQ(fixed(header + "X", limit), refusal);
    EXPECT_EQ(fixed(std::string(limit + 1, 'x')), refusal);
    EXPECT_EQ(fixed(std::string(limit + 1, 'x') + "\r\n"), refusal);
    const std::string text(limit * 4, 'x');
    EXPECT_EQ(fixed("X: y\r\n\r\n" + text), received + "X: y\r\n" + date + message_id + "\r\n" + text);
}

TEST(Fixups, PassABodyOnAtOnce) {
    Fixups fixups(example_trace());
    EXPECT_EQ(fixups.feed("X: y\r\nSub").value(), received + "X: y\r\n");
    EXPECT_EQ(fixups.feed("ject: z\r\n\r\nHel").value(), "Subject: z\r\n" + date + message_id + "\r\nHel");
    EXPECT_EQ(fixups.feed("lo").value(), "lo");
    EXPECT_EQ(fixups.finish().value(), "");
}

TEST(Fixups, Move) {
    Fixups one(example_trace());
    EXPECT_EQ(one.feed("X: y\r\n").value(), received + "X: y\r\n");
    Fixups other(std::move(one));
    EXPECT_EQ(other.finish().value(), date + message_id + "\r\n");
}

TEST(Received, NamesNoRecipientAndNoTlsWhereThereIsNone) {
    Trace trace = example_trace();
    trace.recipient.clear();
    trace.tls.clear();
    trace.client = "2001:db8::1";
    trace.protocol = "ESMTP";
    EXPECT_EQ(received_field(trace),
              "Received: from client.example.com ([IPv6:2001:db8::1])\r\n"
              "\tby mail.example.net with ESMTP\r\n"
              "\tid 0123456789abcdef;\r\n"
              "\tTue, 24 Nov 2026 12:00:00 +0000\r\n");
}

TEST(Received, AHiddenClientIsNotNamed) {
    Trace trace = example_trace();
    trace.client.clear();
    const std::string field = received_field(trace);
    EXPECT_THAT(field, HasSubstr("Received: from client.invalid (hidden)\r\n\tby mail.example.net with "));
    EXPECT_THAT(field, Not(HasSubstr("client.example.com")));
}

TEST(Received, StrangersWordsCantLeaveTheirPlace) {
    Trace trace = example_trace();
    trace.helo = "evil)\r\nBcc: (x;y\x80";
    trace.tls = "a)\r\n(\\";
    trace.recipient = "\"a\r\nb\"@example.org";
    const std::string field = received_field(trace);
    EXPECT_THAT(field, HasSubstr("Received: from evil???Bcc:??x?y? ([192.0.2.1])\r\n"));
    EXPECT_THAT(field, HasSubstr(" (a" + std::string(5, '?') + ")\r\n"));
    EXPECT_THAT(field, HasSubstr("for <\"a??b\"@example.org>;\r\n"));
    trace.helo.clear();
    EXPECT_THAT(received_field(trace), HasSubstr("from unknown ("));
    trace.helo = std::string(5000, 'a');
    EXPECT_THAT(received_field(trace), Not(HasSubstr(std::string(256, 'a'))));
}

TEST(Date, IsWrittenAsRfc5322Has) {
    using std::chrono::sys_days;
    using std::chrono::year;
    EXPECT_EQ(date_text(WallTime{}), "Thu, 1 Jan 1970 00:00:00 +0000");
    EXPECT_EQ(date_text(WallTime(sys_days(year(2024) / 2 / 29) + std::chrono::seconds(86'399))),
              "Thu, 29 Feb 2024 23:59:59 +0000");
    EXPECT_EQ(date_text(WallTime(sys_days(year(2026) / 12 / 6) + std::chrono::seconds(3'661))),
              "Sun, 6 Dec 2026 01:01:01 +0000");
}

TEST(Fixups, WhetherAllOfItIsAscii) {
    for (const auto& [message, ascii] : {std::pair{"Subject: x\r\n\r\nhello\r\n", true},
                                         std::pair{"Subject: x\r\n\r\nhall\u00f6chen\r\n", false},
                                         std::pair{"Subject: \u00fc\r\n\r\n", false}}) {
        Fixups fixups(example_trace());
        for (const char octet : std::string_view(message)) {
            EXPECT_TRUE(fixups.feed({&octet, 1}));
        }
        EXPECT_TRUE(fixups.finish());
        EXPECT_EQ(fixups.is_ascii(), ascii) << message;
    }
}

TEST(Fixups, WhetherTheHeaderIsAscii) {
    const auto ascii = [](std::string_view message) {
        Fixups fixups(example_trace());
        EXPECT_TRUE(fixups.feed(message));
        EXPECT_TRUE(fixups.finish());
        return fixups.header_is_ascii();
    };
    EXPECT_TRUE(ascii("Subject: x\r\n\r\ngr\u00fc\u00dfe\r\n")) << "a body may be what it likes";
    EXPECT_FALSE(ascii("Subject: gr\u00fc\u00dfe\r\n\r\nx\r\n"));
    EXPECT_FALSE(ascii("Subject: x\r\n gr\u00fc\u00dfe\r\n\r\n"));
    EXPECT_FALSE(ascii("Subject: gr\u00fc\u00dfe"));
    EXPECT_TRUE(ascii("gr\u00fc\u00dfe\r\n")) << "no header at all";
}

}  // namespace
}  // namespace sekisho::message
