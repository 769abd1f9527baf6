// SPDX-License-Identifier: Apache-2.0
// What domains are called in DNS.
#include "smtpd/message/domain.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace sekisho::message {
namespace {

TEST(Domain, IsWhatStandsBehindTheLastAt) {
    EXPECT_EQ(domain_of("bob@Example.COM"), "example.com");
    EXPECT_EQ(domain_of("\"bob@example.net\"@example.com"), "example.com");
    EXPECT_EQ(domain_of("bob@[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
    EXPECT_EQ(domain_of("bob"), "");
    EXPECT_EQ(domain_of(""), "");
    EXPECT_EQ(domain_of("bob@"), "");
}

TEST(Domain, InLettersOfAnyLanguage) {
    EXPECT_EQ(ascii_domain("B\u00fccher.example"), "xn--bcher-kva.example");
    EXPECT_EQ(ascii_domain("\u4f8b\u3048.\u30c6\u30b9\u30c8"), "xn--r8jz45g.xn--zckzah");
    EXPECT_EQ(ascii_domain("stra\u00dfe.example"), "xn--strae-oqa.example") << "not as in 2003";
    EXPECT_EQ(ascii_domain("XN--Bcher-KVA.example"), "xn--bcher-kva.example");
    EXPECT_EQ(domain_of("j\u00f6rg@b\u00fccher.example"), "xn--bcher-kva.example");
    for (const char* none : {"\xff.example", "-\u00fc.example", "\u200b.example", "\u00fc..example",
                             "\u00fc.\u200b", "\u200b", "\u3002", "\u00fc\u3002"}) {
        EXPECT_EQ(ascii_domain(none), std::nullopt) << none;
    }
    std::string too_long;
    for (int i = 0; i < 60; i++) {
        too_long += "\u4f8b\u00fc";
    }
    EXPECT_EQ(ascii_domain(too_long + ".example"), std::nullopt);
    EXPECT_TRUE(is_ascii("abc\x7f"));
    EXPECT_FALSE(is_ascii("\u00fc"));
    for (std::size_t i = 0; i < 35; i++) {
        std::string text(35, 'x');
        text[i] = '\x80';
        EXPECT_FALSE(is_ascii(text)) << i;
        EXPECT_EQ(is_ascii(std::string_view(text).substr(0, i)), true) << i;
        EXPECT_EQ(is_ascii(std::string_view(text).substr(i + 1)), true) << i;
    }
}

// Mail for one domain must not go to another.
TEST(Domain, LosesNoSign) {
    EXPECT_EQ(ascii_domain("my_host.b\u00fccher.example"), "my_host.xn--bcher-kva.example");
    EXPECT_EQ(ascii_domain("my\uff3fhost.example"), "my_host.example");
    EXPECT_EQ(ascii_domain("b\u00fccher\u3002example"), "xn--bcher-kva.example");
    for (const char* none : {"a%b.\u00fc", "a b.\u00fc", "a@b.\u00fc", "\uff20b.\u00fc", "\u2100.example",
                             "a\uff0fb.example", "\u00fc\u00a0.example", "[\u00fc]"}) {
        EXPECT_EQ(ascii_domain(none), std::nullopt) << none;
    }
}

}  // namespace
}  // namespace sekisho::message
