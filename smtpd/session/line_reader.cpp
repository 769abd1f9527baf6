// SPDX-License-Identifier: Apache-2.0
// Whatever a line holds, it is judged when it is whole, so that it doesn't matter how the input was cut.
#include "smtpd/session/line_reader.h"

#include <cstring>
#include <utility>

namespace sekisho::session {

namespace {

constexpr std::string_view line_end = "\r\n";
// None of them may stand in a line.
constexpr std::string_view forbidden("\r\n\0", 3);

// How many octets of `input` belong to the line, whose last octet so far is `last`; and whether it ends.
std::pair<std::size_t, bool> measure(std::string_view input, char last) {
    for (std::size_t place = input.find('\n'); place != std::string_view::npos;
         place = input.find('\n', place + 1)) {
        const char before = place == 0 ? last : input[place - 1];
        if (before == '\r') {
            return {place + 1, true};
        }
    }
    return {input.size(), false};
}

}  // namespace

LineReader::Line LineReader::take(std::string_view& input, Longest longest) {
    if (std::exchange(done_, false)) {
        wipe();
    }
    const auto [size, ends] = measure(input, last_);
    const std::string_view piece = input.substr(0, size);
    input.remove_prefix(size);
    length_ += size;
    last_ = piece.empty() ? last_ : piece.back();
    if (length_ > endless_line) {
        return {.kind = Kind::endless, .text = {}};
    }
    if (ends) {
        return finish(piece, longest);
    }
    keep(piece, longest);
    return {.kind = Kind::part, .text = {}};
}

LineReader::Line LineReader::finish(std::string_view piece, Longest longest) {
    std::string_view line = piece;
    if (length_ > piece.size()) {
        keep(piece, longest);
        line = kept_;
    } else {
        too_long_ = exceeds(piece, longest);
    }
    const bool too_long = std::exchange(too_long_, false);
    const std::size_t allowed = std::exchange(allowed_, always);
    done_ = true;
    length_ = 0;
    last_ = 0;
    if (too_long) {
        return {.kind = Kind::too_long, .text = {}, .longest = allowed};
    }
    line.remove_suffix(line_end.size());
    if (line.find_first_of(forbidden) != std::string_view::npos) {
        return {.kind = Kind::malformed, .text = {}};
    }
    return {.kind = Kind::whole, .text = line};
}

// Whether the line is too long with this piece, which isn't kept yet. Its command is told by the same octets
// wherever it was cut.
bool LineReader::exceeds(std::string_view piece, Longest longest) {
    if (length_ > allowed_ && allowed_ == always) {
        std::string start = kept_;
        start += piece.substr(0, always - start.size());
        allowed_ = longest(start);
    }
    return length_ > allowed_;
}

void LineReader::keep(std::string_view piece, Longest longest) {
    if (too_long_) {
        return;
    }
    too_long_ = exceeds(piece, longest);
    if (too_long_) {
        wipe();
    } else {
        kept_ += piece;
    }
}

void LineReader::wipe() {
    ::explicit_bzero(kept_.data(), kept_.size());
    kept_.clear();
    kept_.shrink_to_fit();  // thousands of connections wait between two commands
}

}  // namespace sekisho::session
