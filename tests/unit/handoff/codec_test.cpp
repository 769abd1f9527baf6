// SPDX-License-Identifier: Apache-2.0
// The packets' words: back as they went, and nothing else accepted.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "smtpd/handoff/handoff.h"

namespace sekisho::handoff {
namespace {

using namespace std::chrono_literals;

Request example() {
    return {.number = 7,
            .size = 4096,
            .envelope = {.id = "0123456789abcdef",
                         .sender = "alice@example.net",
                         .recipients = {"bob@example.com", "\"a \\\"b\\\" \xc3\xa9\"@example.com"},
                         .user = "alice",
                         .client = "2001:db8:100::1",
                         .eight_bit = true,
                         .received = message::WallTime(1'800'000'000s)}};
}

TEST(HandoffCodec, ARequestComesBackAsItWent) {
    const Request sent = example();
    const auto read = decode_request(encode(sent));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, sent.number);
    EXPECT_EQ(read->size, sent.size);
    EXPECT_EQ(read->envelope.id, sent.envelope.id);
    EXPECT_EQ(read->envelope.sender, sent.envelope.sender);
    EXPECT_EQ(read->envelope.recipients, sent.envelope.recipients);
    EXPECT_EQ(read->envelope.user, sent.envelope.user);
    EXPECT_EQ(read->envelope.client, sent.envelope.client);
    EXPECT_EQ(read->envelope.eight_bit, sent.envelope.eight_bit);
    EXPECT_EQ(read->envelope.received, sent.envelope.received);
    EXPECT_EQ(read->envelope.returned, message::Return::not_given);
    EXPECT_EQ(read->envelope.envelope_id, "");
}

Request with_wishes() {
    Request sent = example();
    sent.envelope.returned = message::Return::full;
    sent.envelope.envelope_id = "QQ+2B314";
    sent.envelope.recipients[0].notify = {.success = true, .failure = true};
    sent.envelope.recipients[1].original = "rfc822;b@example.org";
    return sent;
}

TEST(HandoffCodec, WhatTheSenderWantsToHearComesBackAsItWent) {
    const Request sent = with_wishes();
    const auto read = decode_request(encode(sent));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->envelope.recipients, sent.envelope.recipients);
    EXPECT_EQ(read->envelope.returned, sent.envelope.returned);
    EXPECT_EQ(read->envelope.envelope_id, sent.envelope.envelope_id);
    EXPECT_FALSE(read->envelope.utf8);
}

// RFC 6533, 3: it has a sign that JSON writes in a way of its own.
TEST(HandoffCodec, AnOriginalRecipientInLettersOfAnyLanguageComesBackAsItWent) {
    Request sent = with_wishes();
    sent.envelope.recipients[1].original = R"(utf-8;j\x{F6}rg@example.com)";
    EXPECT_EQ(decode_request(encode(sent)).value().envelope.recipients, sent.envelope.recipients);
    sent.envelope.recipients[1].original = R"(utf-8;j\x{0A}rg@example.com)";
    EXPECT_FALSE(decode_request(encode(sent)));
}

TEST(HandoffCodec, ASmallMessageStandsBehindItsEnvelope) {
    Request sent = example();
    sent.octets = "{}\n\n\xff";
    sent.size = sent.octets.size();
    const std::string packet = encode(sent);
    EXPECT_EQ(decode_request(packet).value().octets, sent.octets);
    EXPECT_EQ(decode_request(packet).value().envelope.recipients, sent.envelope.recipients);
    EXPECT_FALSE(decode_request(packet + "x")) << "more than there should be";
    EXPECT_FALSE(decode_request(packet.substr(0, packet.size() - 1)));
    EXPECT_FALSE(decode_request(packet.substr(0, packet.size() - sent.octets.size())));
    EXPECT_FALSE(decode_question(packet));
    sent.octets.clear();
    EXPECT_EQ(decode_request(encode(sent)).value().octets, "");
}

TEST(HandoffCodec, ALargeEnvelopeStandsElsewhere) {
    Request sent = example();
    sent.envelope_size = encode(sent.envelope).size();
    const std::string packet = encode(sent);
    const auto read = decode_request(packet);
    ASSERT_TRUE(read) << packet;
    EXPECT_EQ(read->envelope_size, sent.envelope_size);
    EXPECT_TRUE(read->envelope.recipients.empty());
    EXPECT_FALSE(decode_request(packet + "\nx")) << "the message must be there, too";
    for (const char* size : {"0", "-1", "null", "4194305"}) {
        EXPECT_FALSE(decode_request(R"({"n":1,"size":2,"envelope_size":)" + std::string(size) + "}")) << size;
    }
    const std::string envelope = encode(sent.envelope);
    EXPECT_EQ(decode_envelope(envelope).value().recipients, sent.envelope.recipients);
    EXPECT_FALSE(decode_envelope(envelope.substr(1)));
    EXPECT_FALSE(decode_envelope("{}"));
    EXPECT_FALSE(decode_request(R"({"n":1,"size":2,"envelope_size":5,"envelope":)" + envelope + "}"));
}

TEST(HandoffCodec, WhatNeedsUtf8SaysSo) {
    Request sent = example();
    sent.envelope.utf8 = true;
    sent.envelope.sender = "j\u00f6rg@b\u00fccher.example";
    const auto read = decode_request(encode(sent));
    EXPECT_TRUE(read.value().envelope.utf8);
    EXPECT_EQ(read.value().envelope.sender, sent.envelope.sender);
    std::string packet = encode(sent);
    packet.replace(packet.find(R"("utf8":true)"), 11, R"("utf8":1234)");
    EXPECT_FALSE(decode_request(packet));
}

// It stands in commands to other servers.
TEST(HandoffCodec, WishesThatAreNoneAreMalformed) {
    const std::array<std::array<std::string_view, 2>, 9> changes = {{
        {R"("return":"FULL")", R"("return":"ALL")"},
        {R"("return":"FULL")", R"("return":1)"},
        {R"("envelope_id":"QQ+2B314")", R"("envelope_id":"a b")"},
        {R"("envelope_id":"QQ+2B314")", R"("envelope_id":"")"},
        {R"("notify":"SUCCESS,FAILURE")", R"("notify":"NEVER,FAILURE")"},
        {R"("notify":"SUCCESS,FAILURE")", R"("notify":null)"},
        {R"("original":"rfc822;b@example.org")", R"("original":"rfc822;b\r\nDATA")"},
        {R"("original":"rfc822;b@example.org")", R"("original":"rfc822;b NOTIFY=NEVER")"},
        {R"("address":"bob@example.com")", R"("address":7)"},
    }};
    for (const auto& [old, now] : changes) {
        std::string packet = encode(with_wishes());
        const std::size_t at = packet.find(old);
        ASSERT_NE(at, std::string::npos) << old;
        packet.replace(at, old.size(), now);
        EXPECT_FALSE(decode_request(packet)) << packet;
    }
}

TEST(HandoffCodec, TheNullSenderIsOne) {
    Request sent = example();
    sent.envelope.sender.clear();
    EXPECT_EQ(decode_request(encode(sent)).value().envelope.sender, "");
}

TEST(HandoffCodec, AnswersComeBackAsTheyWent) {
    const auto kept = decode_answer(encode(Answer{.number = 1, .refused = {}}));
    EXPECT_EQ(kept.value().number, 1U);
    EXPECT_EQ(kept.value().refused, "");
    const auto refused = decode_answer(encode(Answer{.number = 2, .refused = "452 4.3.1 Full"}));
    EXPECT_EQ(refused.value().refused, "452 4.3.1 Full");
    EXPECT_EQ(refused.value().name, "");
    const auto named = decode_answer(encode(Answer{.number = 2, .refused = {}, .name = "mail.example.net"}));
    EXPECT_EQ(named.value().name, "mail.example.net");
    EXPECT_FALSE(decode_answer(R"({"n":2,"name":7})"));
    EXPECT_FALSE(decode_answer(R"({"n":2,"name":"a\nb"})"));
}

TEST(HandoffCodec, QuestionsComeBackAsTheyWent) {
    using enum Question::About;
    for (const Question& question :
         {Question{
              .number = 3, .about = mailbox, .subject = "\"a b\"@example.net", .needs = {.eight_bit = true}},
          Question{.number = 4, .about = mailbox, .subject = "x", .needs = {.utf8 = true}},
          Question{.number = 5, .about = user, .subject = "anna\"@x"},
          Question{.number = 6, .about = client, .subject = "2001:db8::1"}}) {
        const auto read = decode_question(encode(question));
        ASSERT_TRUE(read) << encode(question);
        EXPECT_EQ(read->number, question.number);
        EXPECT_EQ(read->about, question.about);
        EXPECT_EQ(read->subject, question.subject);
        EXPECT_EQ(read->needs, question.needs);
    }
    for (const char* packet :
         {R"({"n":3})", R"({"n":3,"recipient":""})", R"({"n":3,"recipient":7})",
          R"({"n":-3,"recipient":"x"})", R"({"n":3,"recipient":"x","utf8":1})",
          R"({"n":3,"recipient":"x\r\ny"})", R"({"n":3,"recipient":"x","envelope":{}})", "[]", "",
          R"({"n":3,"user":""})", R"({"n":3,"user":7})", R"({"n":3,"user":"a\nb"})",
          R"({"n":3,"user":"a","recipient":"x"})", R"({"n":3,"user":"a","utf8":true})",
          R"({"n":3,"user":"a","eight_bit":true})", R"({"n":3,"recipient":"x","eight_bit":""})",
          R"({"n":3,"client":"192.0.2.1","user":"a"})", R"({"n":3,"client":"192.0.2.1","envelope":{}})"}) {
        EXPECT_FALSE(decode_question(packet)) << packet;
    }
    EXPECT_FALSE(decode_question(encode(example()))) << "a message is none";
}

TEST(HandoffCodec, ACutPacketIsMalformed) {
    const std::string packet = encode(example());
    for (std::size_t size = 0; size < packet.size(); size++) {
        EXPECT_FALSE(decode_request(std::string_view(packet).substr(0, size))) << size;
    }
}

TEST(HandoffCodec, EachMissingOrWrongMemberIsMalformed) {
    constexpr std::array<std::array<std::string_view, 2>, 9> changes = {{
        {R"("n":7)", R"("n":-7)"},
        {R"("n":7)", R"("m":7)"},
        {R"("size":4096)", R"("size":"4096")"},
        {R"("id":"0123456789abcdef")", R"("id":"../3456789abcdef")"},
        {R"("id":"0123456789abcdef")", R"("id":"0123")"},
        {R"("recipients":["bob@example.com",)", R"("recipients":[7,)"},
        {R"("eight_bit":true)", R"("eight_bit":1)"},
        {R"("received":1800000000)", R"("received":999999999999999)"},
        {R"("sender":"alice@example.net")", R"("sender":null)"},
    }};
    for (const auto& [old, now] : changes) {
        std::string packet = encode(example());
        const std::size_t at = packet.find(old);
        ASSERT_NE(at, std::string::npos) << old;
        packet.replace(at, old.size(), now);
        EXPECT_FALSE(decode_request(packet)) << packet;
    }
    Request two_lines = example();
    for (std::string* text : {&two_lines.envelope.sender, &two_lines.envelope.recipients.back().address,
                              &two_lines.envelope.user, &two_lines.envelope.client}) {
        const std::string good = std::exchange(*text, "x@example.com>\r\nRCPT TO:<y@example.com");
        EXPECT_FALSE(decode_request(encode(two_lines)));
        *text = good;
    }
    EXPECT_TRUE(decode_request(encode(two_lines)));
    Request nobody = example();
    nobody.envelope.recipients.clear();
    EXPECT_FALSE(decode_request(encode(nobody)));
    for (const std::string_view text : {"", "null", "[]", "{}", R"({"n":1,"refused":5})", "{\"n\":1",
                                        R"({"n":1,"refused":"250-x\r\n250 y"})"}) {
        EXPECT_FALSE(decode_answer(text)) << text;
    }
}

}  // namespace
}  // namespace sekisho::handoff
