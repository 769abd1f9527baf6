// SPDX-License-Identifier: Apache-2.0
// Both versions.
#include "smtpd/session/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace sekisho::session {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view first = "PROXY ";
constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t longest_first = 107;  // with its CRLF
// Shorter than both kinds of header; long enough to tell which it is.
constexpr std::size_t beginning = signature.size();
constexpr std::size_t fixed_second = 16;

ProxyHeader wrong(std::string_view why) {
    return {.wanted = 0, .wrong = why, .ends = std::nullopt};
}

ProxyHeader more(std::size_t octets) {
    return {.wanted = octets, .wrong = {}, .ends = std::nullopt};
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool padded = text.size() > 1 && text.front() == '0';
    return error == std::errc() && end == text.data() + text.size() && !padded ? std::optional(port)
                                                                               : std::nullopt;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (true) {
        const std::size_t blank = std::min(line.find(' '), line.size());
        words.push_back(line.substr(0, blank));
        if (blank == line.size()) {
            return words;
        }
        line.remove_prefix(blank + 1);
    }
}

// "TCP4 192.0.2.1 198.51.100.1 49152 587".
ProxyHeader read_first(std::string_view octets) {
    const std::size_t end = octets.find('\n');
    if (end == std::string_view::npos) {
        return octets.size() < longest_first ? more(1) : wrong("the line doesn't end");
    }
    const std::string_view line = octets.substr(first.size(), end - first.size());
    if (!line.ends_with('\r')) {
        return wrong("the line doesn't end with CRLF");
    }
    const auto words = words_of(line.substr(0, line.size() - 1));
    if (words.front() == "UNKNOWN") {
        return {};
    }
    if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) {
        return wrong("the line has no two ends of a TCP connection");
    }
    const auto client = parse_address(words[1]);
    const auto server = parse_address(words[2]);
    const auto client_port = port_of(words[3]);
    const auto server_port = port_of(words[4]);
    if (!client || !server || !client_port || !server_port) {
        return wrong("an address or a port can't be read");
    }
    const auto is_fit = [&words](std::string_view text) {
        return (text.find(':') != std::string_view::npos) == (words[0] == "TCP6");
    };
    if (!is_fit(words[1]) || !is_fit(words[2])) {
        return wrong("the addresses are of another family");
    }
    return {.wanted = 0,
            .wrong = {},
            .ends = ProxiedEnds{.client = {*client, *client_port}, .server = {*server, *server_port}}};
}

std::uint16_t number_at(std::string_view octets, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(octets[at]) << 8 |
                                      static_cast<std::uint8_t>(octets[at + 1]));
}

Address address_at(std::string_view octets, std::size_t at, Family family) {
    Address address{.family = family, .bytes = {}};
    const std::size_t size = family == Family::ipv4 ? 4 : 16;
    std::ranges::copy(octets.substr(at, size), address.bytes.begin());
    return address.unmapped();
}

// Two addresses and two ports; what stands behind them (TLVs) is not read.
ProxyHeader read_ends(std::string_view block, Family family) {
    const std::size_t size = family == Family::ipv4 ? 4 : 16;
    if (block.size() < 2 * size + 4) {
        return wrong("it is too short for its addresses");
    }
    return {.wanted = 0,
            .wrong = {},
            .ends = ProxiedEnds{.client = {address_at(block, 0, family), number_at(block, 2 * size)},
                                .server = {address_at(block, size, family), number_at(block, 2 * size + 2)}}};
}

ProxyHeader read_second(std::string_view octets) {
    constexpr char local = 0x20;
    constexpr char proxied = 0x21;
    constexpr char unspecified = 0x00;
    constexpr char tcp4 = 0x11;
    constexpr char tcp6 = 0x21;
    if (octets.size() < fixed_second) {
        return more(fixed_second - octets.size());
    }
    const char command = octets[12];
    if (command != local && command != proxied) {
        return wrong("it is of an unknown version, or has an unknown command");
    }
    const std::size_t whole = fixed_second + number_at(octets, 14);
    if (whole > longest_proxy_header) {
        return wrong("it is too long");
    }
    if (octets.size() < whole) {
        return more(whole - octets.size());
    }
    const std::string_view block = octets.substr(fixed_second, whole - fixed_second);
    const char family = octets[13];
    if (command == local || family == unspecified) {
        return {};
    }
    if (family != tcp4 && family != tcp6) {
        return wrong("it tells of no TCP connection");
    }
    return read_ends(block, family == tcp4 ? Family::ipv4 : Family::ipv6);
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view octets) {
    const std::string_view head = octets.substr(0, beginning);
    if (!first.starts_with(head.substr(0, first.size())) && !signature.starts_with(head)) {
        return wrong("there is no PROXY header");
    }
    if (octets.size() < beginning) {
        return more(beginning - octets.size());
    }
    return head == signature ? read_second(octets) : read_first(octets);
}

}  // namespace sekisho::session
