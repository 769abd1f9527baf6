// SPDX-License-Identifier: Apache-2.0
// One attribute after the other.
#include "smtpd/session/xclient.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agent/base/printable.h"
#include "smtpd/message/notification.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

constexpr std::size_t longest_user = 255;

bool read_address(std::string_view value, std::optional<Address>& to) {
    const bool tagged = take_word(value, "IPV6:");
    const bool ipv6 =
        value.find(':') != std::string_view::npos;  // IPv4 in IPv6's clothes is understood as IPv4
    const auto address = parse_address(value);
    if (!address || tagged != ipv6) {
        return false;
    }
    to = *address;
    return true;
}

bool read_port(std::string_view value, std::optional<std::uint16_t>& to) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), port);
    if (error != std::errc() || end != value.data() + value.size()) {
        return false;
    }
    to = port;
    return true;
}

bool read_user(std::string_view value, std::string& to) {
    const bool one_line = std::ranges::none_of(value, [](unsigned char c) { return c < ' ' || c == 0x7f; });
    if (value.empty() || value.size() > longest_user || !one_line || !is_utf8(value)) {
        return false;
    }
    to = value;
    return true;
}

// As it is read.
struct Attributes {
    std::optional<Address> address;
    NamedClient others;
};

// Whether it could be read.
bool take(std::string_view name, std::string_view value, Attributes& to) {
    static constexpr std::array<std::string_view, 3> without_effect = {"NAME", "HELO", "PROTO"};
    const auto is = [name](std::string_view word) { return same_word(name, word); };
    if (std::ranges::any_of(without_effect, is)) {
        return true;
    }
    if (same_word(value, "[UNAVAILABLE]") || same_word(value, "[TEMPUNAVAIL]")) {
        return is("LOGIN") || is("PORT") || is("DESTADDR") || is("DESTPORT");
    }
    if (is("ADDR")) {
        return read_address(value, to.address);
    }
    if (is("PORT")) {
        return read_port(value, to.others.port);
    }
    if (is("DESTADDR")) {
        return read_address(value, to.others.server);
    }
    if (is("DESTPORT")) {
        return read_port(value, to.others.server_port);
    }
    return is("LOGIN") && read_user(value, to.others.user);
}

}  // namespace

std::optional<NamedClient> read_xclient(std::string_view text) {
    Attributes attributes;
    while (!text.empty()) {
        const std::string_view attribute = text.substr(0, text.find(' '));
        text.remove_prefix(attribute.size());
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        const std::size_t sign = attribute.find('=');
        if (sign == std::string_view::npos || !message::is_xtext(attribute.substr(sign + 1))) {
            return std::nullopt;
        }
        const std::string value = message::decoded_xtext(attribute.substr(sign + 1));
        if (!take(attribute.substr(0, sign), value, attributes)) {
            return std::nullopt;
        }
    }
    if (!attributes.address) {
        return std::nullopt;
    }
    attributes.others.address = *attributes.address;
    return std::move(attributes.others);
}

}  // namespace sekisho::session
