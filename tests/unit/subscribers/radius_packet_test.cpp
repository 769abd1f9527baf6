// SPDX-License-Identifier: Apache-2.0
// What accounting packets say, and which of them are none.
#include "agent/subscribers/radius_packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/subscribers/packets.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

AccountingRequest read(const Octets& packet) {
    auto request = read_accounting(packet, secret);
    EXPECT_TRUE(request) << request.error().what;
    return request.value_or(AccountingRequest{});
}

Error complaint(const Octets& packet, std::string_view with = secret) {
    const auto request = read_accounting(packet, with);
    EXPECT_FALSE(request);
    return request ? Error{} : request.error();
}

void expect_malformed(const Octets& packet, std::string_view words) {
    const Error error = complaint(packet);
    EXPECT_EQ(error.kind, Failure::invalid);
    EXPECT_THAT(error.what, HasSubstr(words));
}

std::vector<std::string> prefixes(const std::vector<Attribute>& attributes) {
    std::vector<std::string> texts;
    for (const Prefix& prefix : read(start_with(attributes)).prefixes) {
        texts.push_back(prefix.text());
    }
    return texts;
}

TEST(RadiusPacket, ReadsAllThatAnotherImplementationWrote) {
    const AccountingRequest request = read(recorded_start());
    EXPECT_EQ(request.identifier, 0x57);
    EXPECT_EQ(request.authenticator[0], 0xda);
    EXPECT_EQ(request.authenticator[15], 0x48);
    EXPECT_EQ(request.status, Status::start);
    EXPECT_EQ(request.session_id, "5f0a0001");
    EXPECT_EQ(request.user, "alice@example.net");
    EXPECT_EQ(request.calling_station, "00-11-22-33-44-55");
    EXPECT_THAT(request.classes, ElementsAre("gold", std::string("\0\xff", 2)));
    EXPECT_THAT(request.filters, ElementsAre("residential"));
    EXPECT_EQ(request.nas.value().text(), "198.51.100.1");
    EXPECT_EQ(request.nas_identifier, "bras1");
    EXPECT_EQ(request.nas_port, "eth 1/1:100");
    EXPECT_THAT(
        request.prefixes,
        ElementsAre(parse_prefix("192.0.2.7").value(), parse_prefix("2001:db8:1:2::/64").value(),
                    parse_prefix("2001:db8:100:1200::/56").value(), parse_prefix("2001:db8:1:2::5").value()));
    EXPECT_EQ(request.delay, 3s);
    EXPECT_EQ(request.event_time.value().time_since_epoch(), 1790000000s);
    EXPECT_EQ(request.interim_interval.value(), 600s);
    EXPECT_THAT(request.proxy_states, ElementsAre(Octets{1, 2}, Octets{0xff}));
}

TEST(RadiusPacket, AnswersAsAnotherImplementationExpects) {
    EXPECT_EQ(accounting_response(read(recorded_start()), secret), recorded_answer());
    const AccountingRequest request = read(recorded_on());
    EXPECT_EQ(request.status, Status::on);
    EXPECT_EQ(request.nas_identifier, "bras1");
    EXPECT_EQ(accounting_response(request, secret), from_hex("052a0014429ff0e821f28baea7abbf52777802f8"));
}

TEST(RadiusPacket, AMessageAuthenticatorIsCheckedAndNotAnswered) {
    const Octets packet = recorded_start_with_message_authenticator();
    const AccountingRequest request = read(packet);
    EXPECT_EQ(request.user, "alice@example.net");
    EXPECT_EQ(accounting_response(request, secret).size(), recorded_answer().size());
    Octets forged = packet;
    forged.back() ^= 1U;
    const Error error = complaint(sign(forged));
    EXPECT_EQ(error.kind, Failure::refused);
    EXPECT_THAT(error.what, HasSubstr("Message-Authenticator"));
    expect_malformed(start_with({{80, Octets(15)}}), "attribute 80");
    expect_malformed(start_with({{80, Octets(16)}, {80, Octets(16)}}), "two Message-Authenticators");
}

TEST(RadiusPacket, TheWrongSecretIsRefused) {
    for (const std::string_view wrong : {"", "testing12", "testing124", "testing1234", "TESTING123"}) {
        const Error error = complaint(recorded_start(), wrong);
        EXPECT_EQ(error.kind, Failure::refused) << wrong;
        EXPECT_THAT(error.what, HasSubstr("Request Authenticator"));
    }
}

TEST(RadiusPacket, IsNeverAcceptedWhenItIsCutShort) {
    for (const Octets& whole : {recorded_start(), recorded_start_with_message_authenticator()}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_EQ(complaint(cut).kind, Failure::invalid) << size;
            if (size < shortest_packet) {
                continue;
            }
            // Nor with a Length that says so.
            Octets shortened = cut;
            shortened[2] = static_cast<std::uint8_t>(size >> 8U);
            shortened[3] = static_cast<std::uint8_t>(size);
            EXPECT_FALSE(read_accounting(shortened, secret)) << size;
        }
    }
}

TEST(RadiusPacket, IsNeverAcceptedWithAnyBitFlipped) {
    const Octets whole = recorded_start_with_message_authenticator();
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        Octets flipped = whole;
        flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
        EXPECT_FALSE(read_accounting(flipped, secret)) << bit;
    }
}

TEST(RadiusPacket, OctetsBehindItsLengthAreIgnored) {
    Octets padded = recorded_start();
    padded.insert(padded.end(), {40, 6, 0, 0, 0, 2});
    EXPECT_EQ(read(padded).status, Status::start);
    padded.resize(10'000);
    EXPECT_EQ(read(padded).status, Status::start);
}

TEST(RadiusPacket, ALengthHasItsLimits) {
    Octets packet = start_with({});
    packet[2] = 0;
    packet[3] = 19;
    expect_malformed(packet, "Length says 19");
    // 4096 octets are the most; the user's name stands behind proxies' words.
    std::vector<Attribute> attributes(15, {.type = 33, .value = Octets(253)});
    attributes.push_back({.type = 33, .value = Octets(254 - 19 - 2)});
    attributes.push_back({.type = 1, .value = text("alice")});
    const Octets base = start_with(attributes);
    attributes[15].value.resize(attributes[15].value.size() + longest_packet - base.size());
    const Octets largest = start_with(attributes);
    ASSERT_EQ(largest.size(), longest_packet);
    EXPECT_EQ(read(largest).user, "alice");
    EXPECT_EQ(accounting_response(read(largest), secret).size(), longest_packet - 6 - 3 - 7);
    attributes[15].value.push_back(0);
    expect_malformed(start_with(attributes), "Length says 4097");
}

TEST(RadiusPacket, OtherCodesAreNotRead) {
    for (const std::uint8_t code : Octets{1, 2, 5, 12, 40}) {
        Octets packet = start_with({});
        packet[0] = code;
        expect_malformed(sign(packet), "its code is " + std::to_string(code));
    }
}

TEST(RadiusPacket, AttributesMustFillThePacket) {
    for (const Octets& tail : {Octets{1}, Octets{1, 0}, Octets{1, 1}, Octets{1, 3}, Octets{1, 4, 65}}) {
        Octets packet = start_with({});
        packet.insert(packet.end(), tail.begin(), tail.end());
        expect_malformed(sign(packet), "doesn't end where it should");
    }
}

TEST(RadiusPacket, KnowsEachStatus) {
    const std::vector<std::pair<std::uint32_t, Status>> all = {
        {1, Status::start},  {2, Status::stop},          {3, Status::interim}, {7, Status::on},
        {8, Status::off},    {0, Status::other},         {4, Status::other},   {9, Status::other},
        {15, Status::other}, {0x01000001, Status::other}};
    for (const auto& [value, status] : all) {
        EXPECT_EQ(read(request({{40, number(value)}, {44, text("s")}})).status, status) << value;
    }
}

TEST(RadiusPacket, SaysWhatIsMissing) {
    expect_malformed(request({{44, text("s")}}), "no Acct-Status-Type");
    for (const std::uint32_t status : {1U, 2U, 3U}) {
        expect_malformed(request({{40, number(status)}}), "no Acct-Session-Id");
        expect_malformed(request({{40, number(status)}, {44, {}}}), "no Acct-Session-Id");
    }
    for (const std::uint32_t status : {7U, 8U, 15U}) {
        EXPECT_THAT(read(request({{40, number(status)}})).session_id, IsEmpty());
    }
}

TEST(RadiusPacket, NumbersAndAddressesHaveTheirSize) {
    for (const std::uint8_t type : Octets{4, 5, 8, 41, 55, 85}) {
        for (const std::size_t size : {0U, 3U, 5U}) {
            expect_malformed(start_with({{type, Octets(size)}}), "attribute " + std::to_string(type));
        }
        EXPECT_TRUE(read_accounting(start_with({{type, Octets(4)}}), secret)) << int{type};
    }
    for (const std::uint8_t type : Octets{95, 168}) {
        for (const std::size_t size : {0U, 4U, 15U, 17U}) {
            expect_malformed(start_with({{type, Octets(size)}}), "attribute " + std::to_string(type));
        }
        EXPECT_TRUE(read_accounting(start_with({{type, Octets(16)}}), secret)) << int{type};
    }
    expect_malformed(request({{40, Octets(3)}, {44, text("s")}}), "attribute 40");
}

TEST(RadiusPacket, OfWhatComesTwiceTheFirstCounts) {
    const AccountingRequest first = read(start_with({{40, number(2)},
                                                     {44, text("t")},
                                                     {1, text("alice")},
                                                     {1, text("bob")},
                                                     {4, {198, 51, 100, 1}},
                                                     {4, {198, 51, 100, 2}},
                                                     {41, number(0)},
                                                     {41, number(9)},
                                                     {55, number(5)},
                                                     {55, number(6)}}));
    EXPECT_EQ(first.status, Status::start);
    EXPECT_EQ(first.session_id, "s");
    EXPECT_EQ(first.user, "alice");
    EXPECT_EQ(first.nas.value().text(), "198.51.100.1");
    EXPECT_EQ(first.delay, 0s);
    EXPECT_EQ(first.event_time.value().time_since_epoch(), 5s);
}

TEST(RadiusPacket, WhatIsNotThereIsEmpty) {
    const AccountingRequest bare = read(start_with({}));
    EXPECT_EQ(bare.user + bare.calling_station + bare.nas_identifier + bare.nas_port, "");
    EXPECT_FALSE(bare.nas);
    EXPECT_FALSE(bare.event_time);
    EXPECT_FALSE(bare.interim_interval);
    EXPECT_EQ(bare.delay, 0s);
    EXPECT_THAT(bare.prefixes, IsEmpty());
    EXPECT_THAT(bare.proxy_states, IsEmpty());
}

TEST(RadiusPacket, WhatIsNoSubscribersIsLeftOut) {
    Octets mapped(16);
    mapped[10] = mapped[11] = 0xff;
    mapped[12] = 1;
    EXPECT_THAT(prefixes({{168, mapped}}), IsEmpty()) << "IPv4 written as IPv6 does";
    EXPECT_THAT(prefixes({{97, {0, 3, 0x20}}}), IsEmpty()) << "2000::/3";
    EXPECT_THAT(prefixes({{123, {0, 31, 0x20, 1, 0xd, 0xb8}}}), IsEmpty());
    EXPECT_THAT(prefixes({{123, {0, 32, 0x20, 1, 0xd, 0xb8}}}), ElementsAre("2001:db8::/32"));
    EXPECT_THAT(prefixes({{8, {0, 0, 0, 0}}}), IsEmpty());
}

TEST(RadiusPacket, ASessionMayHaveLastedForATime) {
    EXPECT_FALSE(read(start_with({})).session_time);
    EXPECT_EQ(read(start_with({{46, number(3600)}, {46, number(7)}})).session_time.value(), 1h);
    expect_malformed(start_with({{46, {0, 1}}}), "46");
}

TEST(RadiusPacket, TheNasMayHaveAnIPv6Address) {
    const Octets ipv6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    EXPECT_EQ(read(start_with({{95, ipv6}})).nas.value().text(), "2001:db8::1");
    EXPECT_EQ(read(start_with({{95, ipv6}, {4, {10, 0, 0, 1}}})).nas.value().text(), "10.0.0.1");
}

TEST(RadiusPacket, APortIsATextElseANumber) {
    EXPECT_EQ(read(start_with({{5, number(17)}})).nas_port, "17");
    EXPECT_EQ(read(start_with({{5, number(17)}, {87, text("ge-0/0/1")}})).nas_port, "ge-0/0/1");
}

TEST(RadiusPacket, WhatIsNotKnownIsSkipped) {
    for (unsigned type = 0; type < 256; ++type) {
        if (type != 80) {  // makes it an unsigned one
            const auto attribute = static_cast<std::uint8_t>(type);
            const auto request =
                read_accounting(start_with({{attribute, Octets(16, 1)}, {1, text("alice")}}), secret);
            EXPECT_TRUE(!request || request->session_id == "s") << type;
            EXPECT_TRUE(!request || type == 1 || request->user == "alice") << type;
        }
    }
    // Framed-IP-Netmask, Framed-Route, Acct-Input-Octets, Framed-Interface-Id, Vendor-Specific.
    for (const std::uint8_t type : Octets{9, 22, 42, 96, 26, 255}) {
        EXPECT_THAT(prefixes({{type, {10, 0, 0, 1}}, {8, {192, 0, 2, 7}}}), ElementsAre("192.0.2.7/32"));
    }
}

TEST(RadiusPacket, SomeAddressesAreNobodys) {
    EXPECT_THAT(prefixes({{8, {255, 255, 255, 255}}, {8, {255, 255, 255, 254}}, {8, {0, 0, 0, 0}}}),
                IsEmpty());
    EXPECT_THAT(prefixes({{8, {255, 255, 255, 253}}, {8, {0, 0, 0, 1}}}),
                ElementsAre("255.255.255.253/32", "0.0.0.1/32"));
    EXPECT_THAT(prefixes({{168, Octets(16)}, {97, {0, 64}}, {123, {0, 0}}, {97, {0, 0, 0x20, 1}}}),
                IsEmpty());
}

TEST(RadiusPacket, PrefixesMayBeShortened) {
    for (const std::uint8_t type : Octets{97, 123}) {
        EXPECT_THAT(prefixes({{type, {0, 64, 0x20, 1, 0xd, 0xb8, 0, 1}}}), ElementsAre("2001:db8:1::/64"));
        EXPECT_THAT(prefixes({{type, {0, 64, 0x20}}}), ElementsAre("2000::/64"));
        // Bits behind the length, in the same octet and in further ones.
        EXPECT_THAT(prefixes({{type, {0, 36, 0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff}}}),
                    ElementsAre("2001:db8:f000::/36"));
        // The reserved octet says nothing.
        EXPECT_THAT(prefixes({{type, {0xff, 40, 0x20}}}), ElementsAre("2000::/40"));
        Octets longest = {0, 128};
        longest.resize(18, 0x11);
        EXPECT_THAT(prefixes({{type, longest}}), ElementsAre("1111:1111:1111:1111:1111:1111:1111:1111/128"));
        longest.push_back(0x11);
        expect_malformed(start_with({{type, longest}}), "attribute " + std::to_string(type));
        expect_malformed(start_with({{type, {0, 129, 0x20}}}), "attribute " + std::to_string(type));
        expect_malformed(start_with({{type, {0}}}), "attribute " + std::to_string(type));
        expect_malformed(start_with({{type, {}}}), "attribute " + std::to_string(type));
    }
}

TEST(RadiusPacket, APrefixNamedTwiceIsThereOnce) {
    EXPECT_THAT(prefixes({{97, {0, 64, 0x20, 1}}, {123, {0, 64, 0x20, 1}}, {97, {0, 56, 0x20, 1}}}),
                ElementsAre("2001::/64", "2001::/56"));
}

TEST(RadiusPacket, ThereIsAMostOfEverything) {
    std::vector<Attribute> many;
    for (std::uint8_t i = 0; i < 20; ++i) {
        many.push_back({.type = 8, .value = {192, 0, 2, i}});
        many.push_back({.type = 25, .value = {i}});
        many.push_back({.type = 11, .value = {i}});
    }
    const AccountingRequest request = read(start_with(many));
    EXPECT_EQ(request.prefixes.size(), most_prefixes);
    EXPECT_EQ(request.prefixes.back().text(), "192.0.2.15/32");
    EXPECT_EQ(request.classes.size(), most_labels);
    EXPECT_EQ(request.classes.back(), "\x0f");
    EXPECT_EQ(request.filters.size(), most_labels);
    std::vector<Attribute> states(most_proxy_states, {.type = 33, .value = {1}});
    EXPECT_EQ(read(start_with(states)).proxy_states.size(), most_proxy_states);
    states.push_back({.type = 33, .value = {1}});
    expect_malformed(start_with(states), "more than 64 Proxy-States");
}

TEST(RadiusPacket, EmptyProxyStatesComeBackEmpty) {
    const Octets answer = accounting_response(read(start_with({{33, {}}, {33, {9}}, {33, {}}})), secret);
    EXPECT_EQ(Octets(answer.begin() + 20, answer.end()), (Octets{33, 2, 33, 3, 9, 33, 2}));
    EXPECT_EQ(answer[3], answer.size());
}

}  // namespace
}  // namespace sekisho::subscribers
