// SPDX-License-Identifier: Apache-2.0
// Reverse and forward paths as RFC 5321, 4.1.2 writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sekisho::session {

// RFC 5321, 4.5.3.1, in octets.
constexpr std::size_t longest_local_part = 64;
constexpr std::size_t longest_domain = 255;
constexpr std::size_t longest_path = 256;  // with its brackets and its source route

enum class PathFault : std::uint8_t {
    syntax,
    too_long,
};

// A path as it was understood.
struct Path {
    std::string mailbox;      // as it was written, without source route; empty: <>
    bool has_domain = false;  // <postmaster> has none
    bool ascii = true;        // else it is for those who say SMTPUTF8 (RFC 6531, 3.3)
};

// Reads a path in its brackets off the beginning of `text`; UTF-8 in it must be well-formed, and its domain
// one that DNS can have. A local part alone is read too: whether that may
// be is for the command to say.
[[nodiscard]] std::expected<Path, PathFault> take_path(std::string_view& text);

}  // namespace sekisho::session
