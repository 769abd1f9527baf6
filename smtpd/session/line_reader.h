// SPDX-License-Identifier: Apache-2.0
// Command lines out of a stream of octets. Only CRLF ends a line (RFC 5321, 2.3.8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sekisho::session {

// A line that goes on for longer than this isn't waited for.
constexpr std::size_t endless_line = std::size_t{1} << 20;

class LineReader {
public:
    enum class Kind : std::uint8_t {
        part,       // it doesn't end here: all input has been taken
        whole,      // `text` is the line without its CRLF
        malformed,  // it has ended, and has a NUL, CR or LF inside
        too_long,   // it has ended
        endless,    // over endless_line octets, ended or not
    };
    struct Line {
        Kind kind = Kind::part;
        std::string_view text;    // good until the next call of either, as long as the input is
        std::size_t longest = 0;  // of a line that is too long: how long it might have been
    };

    // How long a line that begins so may be, in octets with its CRLF. Asked with
    // the first `always` octets of a line that is longer.
    using Longest = std::size_t (*)(std::string_view start);
    static constexpr std::size_t always = 512;  // RFC 5321, 4.5.3.1.4

    // Takes a line, or the part of it that is there, off the input. What is too long isn't kept.
    [[nodiscard]] Line take(std::string_view& input, Longest longest);

    // Overwrites what is kept of the line: it may be a password.
    void wipe();

private:
    [[nodiscard]] Line finish(std::string_view piece, Longest longest);
    [[nodiscard]] bool exceeds(std::string_view piece, Longest longest);
    void keep(std::string_view piece, Longest longest);

    std::string kept_;        // the line so far
    std::size_t length_ = 0;  // of it, whether kept or not
    char last_ = 0;           // octet of it
    std::size_t allowed_ = always;
    bool too_long_ = false;
    bool done_ = false;  // kept_ was handed out, and goes at the next call
};

}  // namespace sekisho::session
