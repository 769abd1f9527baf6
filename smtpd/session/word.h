// SPDX-License-Identifier: Apache-2.0
// Words of SMTP, compared as RFC 5321, 2.4 has it: ASCII, upper and lower case alike, whatever the locale.
#pragma once

#include <algorithm>
#include <string_view>

namespace sekisho::session {

constexpr char upper(char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

constexpr bool is_letter(char octet) {
    return upper(octet) >= 'A' && upper(octet) <= 'Z';
}

constexpr bool is_digit(char octet) {
    return octet >= '0' && octet <= '9';
}

constexpr bool same_word(std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, {}, upper, upper);
}

// Whether `text` begins with the word, which is then taken off.
constexpr bool take_word(std::string_view& text, std::string_view word) {
    if (!same_word(text.substr(0, word.size()), word)) {
        return false;
    }
    text.remove_prefix(word.size());
    return true;
}

}  // namespace sekisho::session
