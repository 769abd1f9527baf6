// SPDX-License-Identifier: Apache-2.0
// A message out of a stream of octets: as DATA sends it, up to CRLF.CRLF and nothing else, dots unstuffed; or
// as BDAT does, by length. Its lines have the same rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sekisho::session {

constexpr std::size_t longest_text_line = 998;  // without its CRLF (RFC 5322, 2.1.1)

class BodyReader {
public:
    enum class Fault : std::uint8_t { none, bare_line_end, nul, long_line, too_large };

    // What ends a message: a dot of its own, or somebody who has counted.
    enum class Framing : std::uint8_t { dot, length };

    // `largest` in octets, counted as RFC 1870, section 5 does: without added dots and the final one.
    explicit BodyReader(std::uint64_t largest, Framing framing = Framing::dot)
        : largest_(largest), framing_(framing) {}

    // Takes what belongs to the message off the input and appends its octets to `out`; after a fault it is
    // thrown away. What `out` has got by then is no more than the beginning of a message, up to no particular
    // octet.
    void take(std::string_view& input, std::string& out);
    // The message ends here (Framing::length). A last line without its CRLF gets one: RFC 5321, 4.1.1.4 has
    // the choice between that and a refusal, and DKIM's signatures are made as if it stood there (RFC 6376,
    // 3.4.3 and 3.4.4).
    void finish(std::string& out);
    // Throws away what is still to come.
    void discard() { discarding_ = true; }

    [[nodiscard]] bool ended() const { return at_ == At::end; }
    // The first one of the message.
    [[nodiscard]] Fault fault() const { return fault_; }

private:
    // Where in CRLF.CRLF. After a fault these are the states of a search for exactly these five octets.
    enum class At : std::uint8_t { line_start, text, carriage_return, dot, dot_carriage_return, end };
    struct Piece;

    void read(Piece& piece);
    bool read_line_start(Piece& piece);
    bool read_text(Piece& piece);
    bool expect_line_feed(Piece& piece);
    void search(Piece& piece);
    [[nodiscard]] bool admit(std::size_t octets);
    bool fail(Fault fault);

    std::uint64_t largest_;
    Framing framing_;
    std::uint64_t size_ = 0;
    std::size_t line_ = 0;    // octets of this line
    At at_ = At::line_start;  // the CRLF is that of the line before, or of DATA itself
    Fault fault_ = Fault::none;
    bool discarding_ = false;
};

}  // namespace sekisho::session
