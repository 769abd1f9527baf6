// SPDX-License-Identifier: Apache-2.0
// IP addresses and prefixes as plain values. No sockets, no name service.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>

#include "agent/base/result.h"

namespace sekisho {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

// "ipv4" or "ipv6".
[[nodiscard]] std::string_view to_string(Family family);

// An address in network order. An IPv4 address stands in the first four bytes, the rest is zero.
struct Address {
    Family family = Family::ipv4;
    std::array<std::uint8_t, 16> bytes{};

    // IPv4 first, then by number.
    auto operator<=>(const Address& other) const {
        return std::tuple(family, half(0), half(1)) <=>
               std::tuple(other.family, other.half(0), other.half(1));
    }
    bool operator==(const Address&) const = default;

    // The IPv4 address within one that is IPv4-mapped (RFC 4291, section 2.5.5.2); others as they are.
    [[nodiscard]] Address unmapped() const;

    // 32 or 128.
    [[nodiscard]] int bits() const { return family == Family::ipv4 ? 32 : 128; }
    // The address with all bits after the first `length` cleared. 0 <= length <= bits().
    [[nodiscard]] Address masked(int length) const;
    // The last address of the prefix of this length around the address.
    [[nodiscard]] Address last(int length) const;
    // RFC 5952 text.
    [[nodiscard]] std::string text() const;

private:
    // The first or the last 64 bits as a number: compared in two steps instead of sixteen.
    [[nodiscard]] std::uint64_t half(std::size_t which) const {
        std::uint64_t number = 0;
        std::memcpy(&number, bytes.data() + which * sizeof(number), sizeof(number));
        return std::endian::native == std::endian::little ? std::byteswap(number) : number;
    }
};

// Reads "192.0.2.1", "2001:db8::1" or "::ffff:192.0.2.1" (which becomes IPv4, as login reporters on
// dual-stack sockets mean it). No zone, no blanks, no leading zeros.
[[nodiscard]] Result<Address> parse_address(std::string_view text);

// An address with a length; all bits after the length are zero.
struct Prefix {
    Address address;
    int length = 32;

    auto operator<=>(const Prefix&) const = default;

    [[nodiscard]] bool contains(const Address& other) const;
    [[nodiscard]] bool contains(const Prefix& other) const;
    [[nodiscard]] bool overlaps(const Prefix& other) const;
    // "192.0.2.0/24".
    [[nodiscard]] std::string text() const;
};

// Reads "192.0.2.0/24"; a bare address is a prefix of full length. Bits set behind the length are an
// error whose remedy names the prefix that was probably meant.
[[nodiscard]] Result<Prefix> parse_prefix(std::string_view text);

}  // namespace sekisho
