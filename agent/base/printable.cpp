// SPDX-License-Identifier: Apache-2.0
// Escaping of text from strangers.
#include "agent/base/printable.h"

#include <cstddef>
#include <cstdint>

namespace sekisho {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

struct CodePoint {
    std::uint32_t value = 0;
    std::size_t bytes = 0;  // 0: not UTF-8
};

// The code point at the start of `text` (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF).
CodePoint decode(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
        return {};
    }
    std::uint32_t value = lead & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) {
            return {};
        }
        value = value << 6U | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return overlong || surrogate || value > 0x10ffff ? CodePoint{} : CodePoint{value, length};
}

// Controls, and format characters that reorder or break lines: what is shown would not be what is there.
bool deceptive(std::uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

void append_byte(std::string& out, unsigned char byte) {
    out += "\\x";
    out += hex_digits[byte >> 4U];
    out += hex_digits[byte & 0xfU];
}

void append_code_point(std::string& out, std::uint32_t value) {
    std::string digits;
    for (; value != 0; value >>= 4U) {
        digits.insert(digits.begin(), hex_digits[value & 0xfU]);
    }
    out += "\\u{" + digits + "}";
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto [value, bytes] = decode(text);
        if (bytes == 0 || value < 0x20 || value == 0x7f) {
            append_byte(out, static_cast<unsigned char>(text.front()));
        } else if (deceptive(value)) {
            append_code_point(out, value);
        } else {
            out += text.substr(0, bytes);
            if (value == '\\') {
                out += '\\';
            }
        }
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return out;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t bytes = decode(text).bytes;
        if (bytes == 0) {
            return false;
        }
        text.remove_prefix(bytes);
    }
    return true;
}

}  // namespace sekisho
