// SPDX-License-Identifier: Apache-2.0
// Reading, writing and comparing IP addresses and prefixes.
#include "agent/base/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "agent/base/printable.h"

namespace sekisho {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// What a byte of the mask of `length` bits is, counted from the address's start.
std::uint8_t mask_byte(int length, int index) {
    const int bits = std::clamp(length - index * 8, 0, 8);
    return static_cast<std::uint8_t>(0xff00U >> static_cast<unsigned>(bits));
}

// A number without sign, blanks or leading zeros.
std::optional<int> parse_length(std::string_view digits) {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size();
    const bool plain =
        !digits.empty() && digits.front() != '-' && (digits.front() != '0' || digits.size() == 1);
    return whole && plain ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string_view to_string(Family family) {
    return family == Family::ipv4 ? "ipv4" : "ipv6";
}

Address Address::masked(int length) const {
    Address result = *this;
    for (int i = 0; i < bits() / 8; ++i) {
        result.bytes.at(static_cast<std::size_t>(i)) &= mask_byte(length, i);
    }
    return result;
}

Address Address::last(int length) const {
    Address result = *this;
    for (int i = 0; i < bits() / 8; ++i) {
        result.bytes.at(static_cast<std::size_t>(i)) |= static_cast<std::uint8_t>(~mask_byte(length, i));
    }
    return result;
}

Address Address::unmapped() const {
    if (family == Family::ipv4 || !std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin())) {
        return *this;
    }
    Address inner;
    std::copy_n(bytes.begin() + mapped_prefix.size(), 4, inner.bytes.begin());
    return inner;
}

std::string Address::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (family == Family::ipv4) {  // inet_ntop() takes its way through printf(); there may be a million
        char* end = buffer.data();
        for (const std::uint8_t octet : std::span(bytes).first(4)) {
            end = std::to_chars(end, buffer.data() + buffer.size(), octet).ptr;
            *end++ = '.';
        }
        return {buffer.data(), end - 1};
    }
    // Can't fail: the family is known and the buffer large enough.
    ::inet_ntop(AF_INET6, bytes.data(), buffer.data(), buffer.size());
    return buffer.data();
}

Result<Address> parse_address(std::string_view text) {
    const std::string copy(text);
    Address address;
    // inet_pton reads up to a NUL; what stands behind one must not go unseen.
    if (copy.size() < INET6_ADDRSTRLEN && copy.find('\0') == std::string::npos) {
        if (::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
            return address;
        }
        address = Address{Family::ipv6, {}};
        if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
            return address.unmapped();
        }
    }
    return fail(Failure::invalid, "\"" + printable(text.substr(0, 64)) + "\" is not an IP address",
                "write it like 192.0.2.1 or 2001:db8::1, without blanks, zone or port");
}

bool Prefix::contains(const Address& other) const {
    return other.family == address.family && other.masked(length) == address.masked(length);
}

bool Prefix::contains(const Prefix& other) const {
    return length <= other.length && contains(other.address);
}

bool Prefix::overlaps(const Prefix& other) const {
    return contains(other) || other.contains(*this);
}

std::string Prefix::text() const {
    return address.text() + "/" + std::to_string(length);
}

Result<Prefix> parse_prefix(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) {
        return fail(Failure::invalid, "\"" + printable(text.substr(0, 64)) + "\" is not an IP prefix",
                    "write it like 192.0.2.0/24 or 2001:db8::/48");
    }
    if (slash == std::string_view::npos) {
        return Prefix{*address, address->bits()};
    }
    if (address->family == Family::ipv4 && text.contains(':')) {
        return fail(Failure::invalid,
                    "\"" + printable(text.substr(0, 64)) + "\" is IPv4 written as IPv6, with a length",
                    "write " + address->text() + " and the length for IPv4, 0 to 32");
    }
    const auto length = parse_length(text.substr(slash + 1));
    if (!length || *length > address->bits()) {
        return fail(
            Failure::invalid,
            "\"" + printable(text.substr(0, 64)) +
                "\": the length after the slash is not a number from 0 to " + std::to_string(address->bits()),
            address->family == Family::ipv4 ? "write it like 192.0.2.0/24" : "write it like 2001:db8::/48");
    }
    const Prefix prefix{address->masked(*length), *length};
    if (prefix.address != *address) {
        return fail(Failure::invalid, printable(text) + " has bits set behind its length",
                    "write " + prefix.text() + " for the whole network, or " + address->text() +
                        " for the one address");
    }
    return prefix;
}

}  // namespace sekisho
