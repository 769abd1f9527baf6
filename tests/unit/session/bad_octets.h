// SPDX-License-Identifier: Apache-2.0
// Octets that may not stand in a message, however it is sent, and what its client is told.
#pragma once

#include <array>
#include <ostream>
#include <string_view>

namespace sekisho::session {

struct BadOctets {
    std::string_view octets;
    std::string_view reply;  // with its line end
};

// Else a test's name shows where in memory its text lies, and is another in each run.
inline void PrintTo(const BadOctets& bad, std::ostream* out) {
    for (const char octet : bad.octets) {
        switch (octet) {
            case '\r':
                *out << "CR ";
                break;
            case '\n':
                *out << "LF ";
                break;
            case '\0':
                *out << "NUL ";
                break;
            default:
                *out << octet << ' ';
        }
    }
}

inline constexpr std::string_view told_of_line_end =
    "554 5.5.2 Bare CR or bare LF in the message: lines end with CRLF\r\n";
inline constexpr std::string_view told_of_nul = "554 5.6.0 NUL in the message\r\n";

// All that others have taken for the end of DATA, and isn't CRLF.CRLF (SMTP smuggling).
inline constexpr std::array<BadOctets, 12> false_ends = {{
    {"\n.\n", told_of_line_end},
    {"\n.\r\n", told_of_line_end},
    {"\r\n.\n", told_of_line_end},
    {"\n.\r", told_of_line_end},
    {"\r.\r", told_of_line_end},
    {"\r.\n", told_of_line_end},
    {"\r.\r\n", told_of_line_end},
    {"\r\n.\r", told_of_line_end},
    {"\r\n.\r\r\n", told_of_line_end},
    {"\r\r\n.\r\r\n", told_of_line_end},
    {{"\r\n\0.\r\n", 6}, told_of_nul},
    {{"\r\n.\0\r\n", 6}, told_of_nul},
}};

// Where there are two faults, the first one counts.
inline constexpr std::array<BadOctets, 9> other_bad_octets = {{
    {"\n", told_of_line_end},
    {"\r", told_of_line_end},
    {"\r\r\n", told_of_line_end},
    {"\n\r.\n\r", told_of_line_end},
    {"\r\n\n.\r\n", told_of_line_end},
    {"\r\n.\n\n", told_of_line_end},
    {{"\0", 1}, told_of_nul},
    {{"\0\n", 2}, told_of_nul},
    {{"\n\0", 2}, told_of_line_end},
}};

}  // namespace sekisho::session
