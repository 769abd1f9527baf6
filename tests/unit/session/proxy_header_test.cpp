// SPDX-License-Identifier: Apache-2.0
// Headers of the PROXY protocol, right and wrong, however they come.
#include "smtpd/session/proxy_header.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace sekisho::session {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

const std::string binary = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string ends4 = "\xc0\0\x02\x01\xc6\x33\x64\x01\xc0\x00\x02\x4b"s;

// "192.0.2.1:49152 198.51.100.1:587", "itself", or what is wrong. Reads as much as is wanted and no more, and
// must have left `behind` alone.
std::string meaning(const std::string& header, const std::string& behind = "EHLO x\r\n") {
    const std::string octets = header + behind;
    std::size_t known = 0;
    ProxyHeader read = read_proxy_header({});
    while (read.wanted > 0) {
        known += read.wanted;
        if (known > octets.size()) {
            return "unfinished";
        }
        read = read_proxy_header(std::string_view(octets).substr(0, known));
    }
    if (!read.wrong.empty()) {
        return std::string(read.wrong);
    }
    EXPECT_EQ(known, header.size()) << "of the octets behind it some were read, or of its own not all";
    return read.ends ? read.ends->client.text() + " " + read.ends->server.text() : "itself";
}

std::string second(const std::string& command_and_family, const std::string& block) {
    const auto size = static_cast<unsigned>(block.size());
    return binary + command_and_family + static_cast<char>(size >> 8) + static_cast<char>(size & 255) + block;
}

TEST(ProxyHeader, OfTheFirstVersion) {
    EXPECT_EQ(meaning("PROXY TCP4 192.0.2.1 198.51.100.1 49152 587\r\n"), "192.0.2.1:49152 198.51.100.1:587");
    EXPECT_EQ(meaning("PROXY TCP6 2001:db8::1 2001:DB8::2 0 65535\r\n"),
              "[2001:db8::1]:0 [2001:db8::2]:65535");
    EXPECT_EQ(meaning("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1 1 2\r\n"),
              "192.0.2.1:1 198.51.100.1:2");
    EXPECT_EQ(meaning("PROXY UNKNOWN\r\n"), "itself");
    EXPECT_EQ(meaning("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n"), "itself");
}

TEST(ProxyHeader, OfTheSecondVersion) {
    EXPECT_EQ(meaning(second("\x21\x11", ends4)), "192.0.2.1:49152 198.51.100.1:587");
    EXPECT_EQ(meaning(second("\x21\x11", ends4 + std::string(200, '\3'))),
              "192.0.2.1:49152 198.51.100.1:587");
    const std::string six = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\1";
    EXPECT_EQ(meaning(second({0x21, 0x21}, six + six + "\0\x19\0\x1a"s)),
              "[2001:db8::1]:25 [2001:db8::1]:26");
    const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\0\x02\x01"s;
    EXPECT_EQ(meaning(second({0x21, 0x21}, mapped + mapped + "\0\x19\0\x1a"s)), "192.0.2.1:25 192.0.2.1:26");
    EXPECT_EQ(meaning(second("\x20\0"s, "")), "itself");
    EXPECT_EQ(meaning(second("\x20\x11", ends4)), "itself");
    EXPECT_EQ(meaning(second("\x21\0"s, "whatever")), "itself");
}

TEST(ProxyHeader, WhatIsNone) {
    for (const auto& [octets, why] : std::vector<std::pair<std::string, const char*>>{
             {"EHLO client.example.net\r\n", "no PROXY header"},
             {"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "no PROXY header"},
             {"\r\n\r\n\0\r\nQUIT\r"s, "no PROXY header"},
             {std::string(12, '\0'), "no PROXY header"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", "CRLF"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", "no two ends"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n", "no two ends"},
             {"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", "no two ends"},
             {"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", "no two ends"},
             {"PROXY \r\nEHLO x\r\n", "no two ends"},
             {"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", "can't be read"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n", "can't be read"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n", "can't be read"},
             {"PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n", "can't be read"},
             {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "another family"},
             {"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", "another family"},
             {"PROXY UNKNOWN" + std::string(200, ' '), "doesn't end"},
             {second("\x22\x11", ends4), "unknown"},
             {second("\x11\x11", ends4), "unknown"},
             {second("\x21\x12", ends4), "no TCP"},
             {second({0x21, 0x31}, ends4), "no TCP"},
             {second("\x21\x11", ends4.substr(1)), "too short"},
             {second({0x21, 0x21}, ends4), "too short"},
             {binary + "\x21\x11\xff\xff", "too long"},
         }) {
        EXPECT_THAT(meaning(octets, ""), HasSubstr(why)) << testing::PrintToString(octets);
    }
}

TEST(ProxyHeader, IsAwaitedToItsEnd) {
    for (const std::string& whole :
         {"PROXY TCP4 192.0.2.1 198.51.100.1 49152 587\r\n"s, second("\x21\x11", ends4)}) {
        for (std::size_t size = 0; size < whole.size(); size++) {
            EXPECT_EQ(meaning(whole.substr(0, size), ""), "unfinished") << size;
        }
    }
}

}  // namespace
}  // namespace sekisho::session
