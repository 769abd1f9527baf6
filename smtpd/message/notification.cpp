// SPDX-License-Identifier: Apache-2.0
// Strictly: what is understood here is later said to other servers, and to the sender.
#include "smtpd/message/notification.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"

namespace sekisho::message {

namespace {

constexpr std::size_t longest_envelope_id = 100;
constexpr std::size_t longest_original = 500;

struct Word {
    std::string_view text;
    bool Notify::* member;
};
constexpr std::array<Word, 4> keywords = {{{"NEVER", &Notify::never},
                                           {"SUCCESS", &Notify::success},
                                           {"FAILURE", &Notify::failure},
                                           {"DELAY", &Notify::delay}}};

constexpr bool is_upper_hex(char octet) {
    return is_digit(octet) || (octet >= 'A' && octet <= 'F');
}

// "\\x{FC}".
std::string embedded(char32_t point) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "\\x{%02X}", static_cast<unsigned>(point));
    return text.data();
}

constexpr int value_of(char digit) {
    return is_digit(digit) ? digit - '0' : digit - 'A' + 10;
}

// "Due to limitations in the Delivery Status Notification format" (sections 4.2 and 4.4).
bool means_printable(std::string_view text) {
    return is_xtext(text) &&
           std::ranges::all_of(decoded_xtext(text), [](char octet) { return octet >= ' ' && octet <= '~'; });
}

// How long the EmbeddedUnicodeChar is that stands here (RFC 6533, 3), "\\x{FC}"; 0 for none, and for one that
// means a control character: xtext may mean none either.
std::size_t embedded_size(std::string_view text) {
    constexpr std::string_view begin = "\\x{";
    constexpr std::size_t most_digits = 6;
    const std::size_t end = text.find('}');
    if (!text.starts_with(begin) || end == std::string_view::npos) {
        return 0;
    }
    const std::string_view digits = text.substr(begin.size(), end - begin.size());
    if (digits.size() < 2 || digits.size() > most_digits || !std::ranges::all_of(digits, is_upper_hex)) {
        return 0;
    }
    char32_t point = 0;
    for (const char digit : digits) {
        point = point * 16 + static_cast<char32_t>(value_of(digit));
    }
    const bool control = point < ' ' || point == 0x7f;
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return control || surrogate || point > 0x10ffff ? 0 : end + 1;
}

bool is_utf8_xtext(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const char octet = text[at];
        const bool plain = octet > ' ' && octet <= '~' && octet != '+' && octet != '=' && octet != '\\';
        const std::size_t size = plain ? 1 : embedded_size(text.substr(at));
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return !text.empty();
}

// addr-type is an atom (RFC 3464, 2.1.1).
bool is_type(std::string_view text) {
    static constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~";
    return !text.empty() && std::ranges::all_of(text, [](char octet) {
        return is_letter_or_digit(octet) || others.find(octet) != std::string_view::npos;
    });
}

// RFC 6533, 3.
bool is_utf8_type(std::string_view text) {
    return same_word(text, "utf-8");
}

}  // namespace

std::string Notify::text() const {
    std::string all;
    for (const Word& word : keywords) {
        if (this->*word.member) {
            all.append(all.empty() ? "" : ",").append(word.text);
        }
    }
    return all;
}

std::optional<Notify> parse_notify(std::string_view value) {
    Notify notify;
    while (true) {
        const std::size_t comma = value.find(',');
        const auto word = std::ranges::find_if(
            keywords, [&](const Word& each) { return same_word(each.text, value.substr(0, comma)); });
        if (word == keywords.end() || std::exchange(notify.*word->member, true)) {
            return std::nullopt;
        }
        if (comma == std::string_view::npos) {
            break;
        }
        value.remove_prefix(comma + 1);
    }
    return notify.never && notify != Notify{.never = true} ? std::nullopt : std::optional(notify);
}

std::optional<Return> parse_return(std::string_view value) {
    for (const Return each : {Return::headers, Return::full}) {
        if (same_word(text_of(each), value)) {
            return each;
        }
    }
    return std::nullopt;
}

std::string_view text_of(Return what) {
    switch (what) {
        case Return::headers:
            return "HDRS";
        case Return::full:
            return "FULL";
        case Return::not_given:
            break;
    }
    return {};
}

bool is_xtext(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '=') {
            return false;
        }
        if (text[i] != '+') {
            continue;
        }
        if (text.size() - i < 3 || !is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2])) {
            return false;
        }
        i += 2;
    }
    return !text.empty();
}

bool is_envelope_id(std::string_view value) {
    return value.size() <= longest_envelope_id && means_printable(value);
}

bool is_original_recipient(std::string_view value) {
    const std::size_t semicolon = value.find(';');
    if (value.size() > longest_original || semicolon == std::string_view::npos) {
        return false;
    }
    const std::string_view type = value.substr(0, semicolon);
    const std::string_view address = value.substr(semicolon + 1);
    return is_type(type) && (is_utf8_type(type) ? is_utf8_xtext(address) : means_printable(address));
}

std::optional<std::string> read_original_recipient(std::string_view value) {
    const bool any = is_utf8_type(value.substr(0, value.find(';'))) && is_utf8(value);
    std::string ascii = any ? utf8_xtext(value, {}) : std::string(value);
    return is_original_recipient(ascii) ? std::optional(std::move(ascii)) : std::nullopt;
}

std::string utf8_xtext(std::string_view text, std::string_view quoted) {
    std::string ascii;
    for (std::size_t at = 0; at < text.size();) {
        const auto first = static_cast<unsigned char>(text[at]);
        const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        char32_t point = size == 1 ? first : first & (0x7fU >> size);
        for (std::size_t i = 1; i < size; i++) {
            point = point << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
        }
        const bool as_it_is = size == 1 && quoted.find(text[at]) == std::string_view::npos;
        ascii += as_it_is ? std::string(1, text[at]) : embedded(point);
        at += size;
    }
    return ascii;
}

std::string decoded_xtext(std::string_view text) {
    std::string octets;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] == '+' && text.size() - i > 2) {
            octets += static_cast<char>(value_of(text[i + 1]) * 16 + value_of(text[i + 2]));
            i += 2;
        } else {
            octets += text[i];
        }
    }
    return octets;
}

}  // namespace sekisho::message
