// SPDX-License-Identifier: Apache-2.0
// The inside of lines is scanned by memchr; only what stands at their ends is looked at octet by octet.
//
// Strict about line ends, because others aren't: "\n.\r\n" and its kin end a message for some servers and not
// for others, and what stands behind it would be a command of a stranger for one of them (SMTP smuggling).
#include "smtpd/session/body_reader.h"

#include <algorithm>
#include <cstring>

namespace sekisho::session {

namespace {

// The first of this octet in [from, to), or `to`.
const char* find(const char* from, const char* to, char octet) {
    if (from == to) {
        return to;
    }
    const void* place = std::memchr(from, octet, static_cast<std::size_t>(to - from));
    return place == nullptr ? to : static_cast<const char*>(place);
}

}  // namespace

// The input of one call.
struct BodyReader::Piece {
    const char* next;
    const char* end;
    const char* nul;   // the first one, or end
    const char* kept;  // from here on to `next`: octets for `out`
    std::string& out;

    void pass() {
        out.append(kept, next);
        kept = next;
    }
    // Takes an octet that isn't for `out`.
    void skip() {
        pass();
        kept = ++next;
    }
};

void BodyReader::take(std::string_view& input, std::string& out) {
    const char* const begin = input.data();
    const char* const end = begin + input.size();
    Piece piece{.next = begin, .end = end, .nul = end, .kept = begin, .out = out};
    if (!discarding_) {
        piece.nul = find(begin, end, '\0');
        read(piece);
        piece.pass();
    }
    if (discarding_ && framing_ == Framing::dot) {
        search(piece);
    } else if (discarding_) {
        piece.next = end;
    }
    input.remove_prefix(static_cast<std::size_t>(piece.next - begin));
}

void BodyReader::read(Piece& piece) {
    bool well = true;
    while (well && piece.next != piece.end && !ended()) {
        switch (at_) {
            case At::line_start:
                well = read_line_start(piece);
                break;
            case At::text:
                well = read_text(piece);
                break;
            case At::carriage_return:
            case At::dot_carriage_return:
                well = expect_line_feed(piece);
                break;
            case At::dot:
                if (*piece.next == '\r') {
                    piece.skip();
                    at_ = At::dot_carriage_return;
                } else {
                    at_ = At::text;
                }
                break;
            case At::end:
                break;
        }
    }
}

bool BodyReader::read_line_start(Piece& piece) {
    line_ = 0;
    if (*piece.next != '.' || framing_ == Framing::length) {
        at_ = At::text;
        return read_text(piece);
    }
    piece.skip();
    at_ = At::dot;
    return true;
}

bool BodyReader::read_text(Piece& piece) {
    const char* const carriage_return = find(piece.next, piece.nul, '\r');
    const char* const stop = find(piece.next, carriage_return, '\n');
    const auto octets = static_cast<std::size_t>(stop - piece.next);
    if (!admit(octets)) {
        return false;
    }
    line_ += octets;
    piece.next = stop;
    if (stop == piece.end) {
        return true;
    }
    if (*stop != '\r') {
        return fail(*stop == '\0' ? Fault::nul : Fault::bare_line_end);
    }
    if (++size_ > largest_) {
        return fail(Fault::too_large);
    }
    piece.next++;
    at_ = At::carriage_return;
    return true;
}

bool BodyReader::expect_line_feed(Piece& piece) {
    if (*piece.next != '\n') {
        return fail(Fault::bare_line_end);
    }
    if (at_ == At::dot_carriage_return) {
        piece.skip();
        at_ = At::end;
        return true;
    }
    if (++size_ > largest_) {
        return fail(Fault::too_large);
    }
    piece.next++;
    at_ = At::line_start;
    return true;
}

void BodyReader::finish(std::string& out) {
    constexpr std::string_view line_end = "\r\n";
    if (discarding_ || at_ == At::line_start) {
        return;
    }
    if (at_ == At::carriage_return) {
        fail(Fault::bare_line_end);
    } else if (largest_ - size_ < line_end.size()) {
        fail(Fault::too_large);
    } else {
        size_ += line_end.size();
        out += line_end;
        at_ = At::line_start;
    }
}

// Whether this many more octets of text are allowed; they are counted. Where both limits are passed, the one
// that comes first counts.
bool BodyReader::admit(std::size_t octets) {
    const std::uint64_t line_room = longest_text_line - line_;
    const std::uint64_t size_room = largest_ - size_;
    if (octets > std::min(line_room, size_room)) {
        return fail(line_room < size_room ? Fault::long_line : Fault::too_large);
    }
    size_ += octets;
    return true;
}

bool BodyReader::fail(Fault fault) {
    fault_ = fault;
    discarding_ = true;
    return false;
}

void BodyReader::search(Piece& piece) {
    while (piece.next != piece.end && !ended()) {
        if (at_ == At::text) {
            piece.next = find(piece.next, piece.end, '\r');
            if (piece.next == piece.end) {
                return;
            }
        }
        const char octet = *piece.next++;
        if (octet == '\r') {
            at_ = at_ == At::dot ? At::dot_carriage_return : At::carriage_return;
        } else if (octet == '\n' && at_ == At::carriage_return) {
            at_ = At::line_start;
        } else if (octet == '\n' && at_ == At::dot_carriage_return) {
            at_ = At::end;
        } else {
            at_ = octet == '.' && at_ == At::line_start ? At::dot : At::text;
        }
    }
}

}  // namespace sekisho::session
