// SPDX-License-Identifier: Apache-2.0
// Letters and digits as protocols mean them: ASCII, whatever the locale. What is none stays as it is.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace sekisho {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr bool is_letter(char c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}

constexpr bool is_letter_or_digit(char c) {
    return is_letter(c) || is_digit(c);
}

[[nodiscard]] inline std::string lowered(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower);
    return result;
}

// Whether they are alike but for capital letters.
constexpr bool same_word(std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, {}, lower, lower);
}

}  // namespace sekisho
