// SPDX-License-Identifier: Apache-2.0
// Packets of RADIUS against the examples of RFC 2865, and answers that somebody has tampered with.
#include "smtpd/sasl/access_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sasl/radius_answer.h"

namespace sekisho::sasl {
namespace {

using ::testing::HasSubstr;
using tests::answer_to;
using tests::Octets;

// RFC 2865, 7.1.
constexpr std::string_view rfc_secret = "xyzzy5461";
constexpr RequestAuthenticator rfc_authenticator = {0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57,
                                                    0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a};
const Octets rfc_accept = {0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10,
                           0x05, 0xf6, 0xbf, 0x9b, 0x55, 0xe0, 0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01,
                           0x0f, 0x06, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03};

// The value of the first attribute of a type.
Octets attribute(const Octets& packet, std::uint8_t type) {
    for (std::size_t at = 20; at + 1 < packet.size(); at += packet[at + 1]) {
        if (packet[at] == type) {
            return {packet.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                    packet.begin() + static_cast<std::ptrdiff_t>(at) + packet[at + 1]};
        }
    }
    return {};
}

std::string text(const Octets& octets) {
    return {octets.begin(), octets.end()};
}

Result<Octets> request(std::string_view user, std::string_view password) {
    return access_request(
        {.user = user, .password = password, .nas = "smtp1", .remote = parse_address("2001:db8::7").value()},
        77, rfc_authenticator, rfc_secret);
}

// What comes of an answer.
std::string read(const Octets& packet, bool strict = true) {
    const auto answer = read_access_answer(packet, 77, rfc_authenticator, rfc_secret, strict);
    if (!answer) {
        return answer.error().what;
    }
    return *answer == AccessAnswer::accept   ? "accept"
           : *answer == AccessAnswer::reject ? "reject"
                                             : "challenge";
}

TEST(AccessRequestTest, HidesThePasswordAsTheRfcDoes) {
    const Octets packet = request("nemo", "arctangent").value();
    EXPECT_EQ(attribute(packet, 2), (Octets{0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4,
                                            0x3f, 0x78, 0x2a, 0x0a, 0xee}));
    EXPECT_EQ(packet[0], 1);
    EXPECT_EQ(packet[1], 77);
    EXPECT_EQ(packet[2] * 256U + packet[3], packet.size());
    EXPECT_EQ(packet[20], 80) << "Message-Authenticator comes first";
    EXPECT_EQ(text(attribute(packet, 1)), "nemo");
    EXPECT_EQ(text(attribute(packet, 31)), "2001:db8::7");
    EXPECT_EQ(text(attribute(packet, 32)), "smtp1");
    EXPECT_EQ(attribute(packet, 6), (Octets{0, 0, 0, 8}));
    EXPECT_EQ(attribute(packet, 61), (Octets{0, 0, 0, 5}));
}

TEST(AccessRequestTest, LongTextsAndTooLongOnes) {
    EXPECT_EQ(attribute(request("n", "1234567890123456").value(), 2).size(), 16U);
    EXPECT_EQ(attribute(request("n", "12345678901234567").value(), 2).size(), 32U);
    EXPECT_EQ(attribute(request(std::string(253, 'n'), std::string(128, 'p')).value(), 2).size(), 128U);
    EXPECT_FALSE(request(std::string(254, 'n'), "p"));
    EXPECT_FALSE(request("n", std::string(129, 'p')));
    EXPECT_FALSE(request("", "p"));
}

TEST(AccessRequestTest, ReadsTheRfcsAnswerUnlessItMustBeSealed) {
    const auto lenient = read_access_answer(rfc_accept, 0, rfc_authenticator, rfc_secret, false);
    ASSERT_TRUE(lenient) << lenient.error().what;
    EXPECT_EQ(*lenient, AccessAnswer::accept);
    EXPECT_THAT(read_access_answer(rfc_accept, 0, rfc_authenticator, rfc_secret, true).error().what,
                HasSubstr("no Message-Authenticator"));
}

TEST(AccessRequestTest, ReadsSealedAnswers) {
    const Octets packet = request("nemo", "arctangent").value();
    EXPECT_EQ(read(answer_to(packet, 2, rfc_secret)), "accept");
    EXPECT_EQ(read(answer_to(packet, 3, rfc_secret)), "reject");
    EXPECT_EQ(read(answer_to(packet, 11, rfc_secret)), "challenge");
    Octets padded = answer_to(packet, 2, rfc_secret);
    padded.insert(padded.end(), 7, 0xff);
    EXPECT_EQ(read(padded), "accept");
}

TEST(AccessRequestTest, WhatWasTamperedWithIsNoAnswer) {
    const Octets packet = request("nemo", "arctangent").value();
    const Octets good = answer_to(packet, 3, rfc_secret);
    for (std::size_t at = 0; at < good.size(); at++) {
        Octets changed = good;
        changed[at] ^= 1U;
        EXPECT_THAT(read(changed), testing::AnyOf(HasSubstr("it"), HasSubstr("its"))) << at;
        Octets cut = good;
        cut.resize(at);
        EXPECT_THAT(read(cut), HasSubstr("no packet")) << at;
    }
    EXPECT_THAT(read(answer_to(packet, 2, "xyzzy5462")), HasSubstr("another secret"));
    EXPECT_THAT(read(answer_to(packet, 1, rfc_secret)), HasSubstr("no answer"));
    EXPECT_THAT(read(answer_to(packet, 5, rfc_secret)), HasSubstr("no answer"));
    Octets other = packet;
    other[1] = 78;
    EXPECT_THAT(read(answer_to(other, 2, rfc_secret)), HasSubstr("no answer"));
}

// Whoever finds a collision of MD5 can give any answer the right authenticator (CVE-2024-3596), but not the
// seal.
TEST(AccessRequestTest, ARightAuthenticatorIsNotEnough) {
    const Octets packet = request("nemo", "arctangent").value();
    EXPECT_THAT(read(answer_to(packet, 2, rfc_secret, tests::Seal::none)),
                HasSubstr("no Message-Authenticator"));
    EXPECT_EQ(read(answer_to(packet, 2, rfc_secret, tests::Seal::none), false), "accept");
    for (const bool strict : {true, false}) {
        EXPECT_THAT(read(answer_to(packet, 2, rfc_secret, tests::Seal::wrong), strict),
                    HasSubstr("is wrong"));
        EXPECT_THAT(read(answer_to(packet, 2, rfc_secret, tests::Seal::twice), strict),
                    HasSubstr("malformed"));
        EXPECT_THAT(read(answer_to(packet, 2, rfc_secret, tests::Seal::too_short), strict),
                    HasSubstr("malformed"));
    }
}

}  // namespace
}  // namespace sekisho::sasl
