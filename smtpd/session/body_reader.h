// SPDX-License-Identifier: Apache-2.0
// A message out of a stream of octets, as DATA sends it: up to CRLF.CRLF and nothing else, dots unstuffed.
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

    // `largest` in octets, counted as RFC 1870, section 5 does: without added dots and the final one.
    explicit BodyReader(std::uint64_t largest) : largest_(largest) {}

    // Takes what belongs to the message off the input and appends its octets to `out`; after a fault it is
    // thrown away. What `out` has got by then is no more than the beginning of a message, up to no particular
    // octet.
    void take(std::string_view& input, std::string& out);
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
    std::uint64_t size_ = 0;
    std::size_t line_ = 0;    // octets of this line
    At at_ = At::line_start;  // the CRLF is that of the line before, or of DATA itself
    Fault fault_ = Fault::none;
    bool discarding_ = false;
};

}  // namespace sekisho::session
