// SPDX-License-Identifier: Apache-2.0
// Words of SMTP, compared as RFC 5321, 2.4 has it: ASCII, upper and lower case alike, whatever the locale.
#pragma once

#include <string_view>

#include "agent/base/ascii.h"

namespace sekisho::session {

// Whether `text` begins with the word, which is then taken off.
constexpr bool take_word(std::string_view& text, std::string_view word) {
    if (!same_word(text.substr(0, word.size()), word)) {
        return false;
    }
    text.remove_prefix(word.size());
    return true;
}

}  // namespace sekisho::session
