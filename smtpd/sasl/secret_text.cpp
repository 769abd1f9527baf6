// SPDX-License-Identifier: Apache-2.0
// Secrets in memory.
#include "smtpd/sasl/secret_text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sekisho::sasl {

namespace {

constexpr std::size_t quantum = 4;

// The six bits of a letter; -1 for one that is none.
int bits_of(char letter) {
    if (letter >= 'A' && letter <= 'Z') {
        return letter - 'A';
    }
    if (letter >= 'a' && letter <= 'z') {
        return letter - 'a' + 26;
    }
    if (letter >= '0' && letter <= '9') {
        return letter - '0' + 52;
    }
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

struct Shape {
    std::size_t octets;   // the character takes
    std::uint8_t lowest;  // that its second octet may be
    std::uint8_t highest;
};

// What a character looks like that begins so (RFC 3629, section 4); 0 octets if none does.
Shape shape_of(std::uint8_t first) {
    if (first < 0x80) {
        return {1, 0, 0};
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return {2, 0x80, 0xbf};
    }
    if (first >= 0xe0 && first <= 0xef) {
        return {3, static_cast<std::uint8_t>(first == 0xe0 ? 0xa0 : 0x80),
                static_cast<std::uint8_t>(first == 0xed ? 0x9f : 0xbf)};
    }
    if (first >= 0xf0 && first <= 0xf4) {
        return {4, static_cast<std::uint8_t>(first == 0xf0 ? 0x90 : 0x80),
                static_cast<std::uint8_t>(first == 0xf4 ? 0x8f : 0xbf)};
    }
    return {0, 0, 0};
}

}  // namespace

SecretText::SecretText(std::string_view text)
    : octets_(std::make_unique<char[]>(text.size() + 1)), size_(text.size()) {
    std::ranges::copy(text, octets_.get());
}

SecretText::SecretText(SecretText&& other) noexcept
    : octets_(std::move(other.octets_)), size_(std::exchange(other.size_, 0)) {}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
    if (this != &other) {
        wipe();
        octets_ = std::move(other.octets_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

SecretText::~SecretText() {
    wipe();
}

void SecretText::wipe() {
    if (octets_) {
        OPENSSL_cleanse(octets_.get(), size_);
    }
}

Result<SecretText> from_base64(std::string_view text) {
    const auto wrong = [] { return fail(Failure::invalid, "not base64"); };
    if (text.size() % quantum != 0) {
        return wrong();
    }
    std::size_t padding = 0;
    while (padding < 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        padding++;
    }
    SecretText result;
    result.octets_ = std::make_unique<char[]>(text.size() + 1);
    std::uint32_t held = 0;
    unsigned bits = 0;
    for (const char letter : text) {
        const int six = bits_of(letter);
        if (six < 0) {
            return wrong();
        }
        held = (held << 6U) | static_cast<std::uint32_t>(six);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            result.octets_[result.size_++] = static_cast<char>((held >> bits) & 0xffU);
        }
    }
    return result;
}

std::string to_base64(std::string_view octets) {
    std::string text((octets.size() + 2) / 3 * quantum + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(octets.data()),
                                     static_cast<int>(octets.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

void wipe(std::string& text) {
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

std::ptrdiff_t characters_in(std::string_view text) {
    std::ptrdiff_t count = 0;
    const auto octet = [&text](std::size_t place) { return static_cast<std::uint8_t>(text[place]); };
    for (std::size_t at = 0; at < text.size(); count++) {
        const Shape shape = shape_of(octet(at));
        if (shape.octets == 0 || shape.octets > text.size() - at) {
            return -1;
        }
        for (std::size_t i = 1; i < shape.octets; i++) {
            const std::uint8_t lowest = i == 1 ? shape.lowest : 0x80;
            const std::uint8_t highest = i == 1 ? shape.highest : 0xbf;
            if (octet(at + i) < lowest || octet(at + i) > highest) {
                return -1;
            }
        }
        at += shape.octets;
    }
    return count;
}

bool has_controls(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); i++) {
        const auto octet = static_cast<std::uint8_t>(text[i]);
        if (octet < 0x20 || octet == 0x7f) {
            return true;
        }
        if (octet == 0xc2 && i + 1 < text.size() && static_cast<std::uint8_t>(text[i + 1]) < 0xa0) {
            return true;
        }
    }
    return false;
}

}  // namespace sekisho::sasl
