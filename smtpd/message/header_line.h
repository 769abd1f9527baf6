// SPDX-License-Identifier: Apache-2.0
// What a line of a header is, as far as a mail server may know: the field's name, and nothing of its
// contents.
#pragma once

#include <cstdint>
#include <string_view>

namespace sekisho::message {

enum class HeaderLine : std::uint8_t {
    field,         // any other
    continuation,  // begins with a blank: belongs to the field before
    date,
    message_id,
    received,
    blind_copy,   // Bcc, Resent-Bcc
    return_path,  // of an earlier delivery
    end,          // the empty line
    no_field,     // the header has ended without one
};

// The line with its line end, or without. A name is one of RFC 5322, 3.6.8, in any case; blanks before the
// colon are taken for obsolete syntax (4.5).
[[nodiscard]] HeaderLine classify(std::string_view line);

}  // namespace sekisho::message
