// SPDX-License-Identifier: Apache-2.0
// Line by line.
#include "smtpd/delivery/reply.h"

#include <algorithm>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"

namespace sekisho::delivery {

namespace {

constexpr std::size_t longest = std::size_t{64} * 1024;
constexpr std::size_t longest_text = 500;

// One to three digits (RFC 3463, 2).
bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 3 && std::ranges::all_of(text, is_digit);
}

// "5.1.1" at the beginning, of this class.
std::optional<std::string> status_in(std::string_view text, int digit) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (word.size() < 2 || word[0] != static_cast<char>('0' + digit) || word[1] != '.') {
        return std::nullopt;
    }
    const std::string_view rest = word.substr(2);
    const std::size_t dot = rest.find('.');
    const bool good =
        dot != std::string_view::npos && is_number(rest.substr(0, dot)) && is_number(rest.substr(dot + 1));
    return good ? std::optional(std::string(word)) : std::nullopt;
}

// What strangers say, fit for a log. Escapes take more room than what they stand for, so it is cut
// afterwards.
std::string shown(std::string_view text) {
    constexpr std::string_view more = "...";
    std::string all = printable(text.substr(0, longest_text));
    if (all.size() <= longest_text && text.size() <= longest_text) {
        return all;
    }
    all.resize(std::min(all.size(), longest_text - more.size()));
    while (!is_utf8(all)) {
        all.pop_back();
    }
    return all.append(more);
}

}  // namespace

std::string Reply::text() const {
    std::string all = std::to_string(code);
    for (const std::string& line : lines) {
        all.append(" ").append(line);
    }
    return shown(all);
}

bool Reply::offers(std::string_view keyword) const {
    return std::ranges::any_of(
        lines.begin() + (lines.empty() ? 0 : 1), lines.end(), [&](const std::string& line) {
            const std::string_view word = std::string_view(line).substr(0, line.find(' '));
            return same_word(word, keyword);
        });
}

std::string Reply::status() const {
    const int digit = code / 100;
    for (const std::string& line : lines) {
        if (auto found = status_in(line, digit)) {
            return *found;
        }
    }
    return std::to_string(digit) + ".0.0";
}

Result<std::optional<Reply>> ReplyReader::feed(std::string_view octets) {
    pending_ += octets;
    while (true) {
        const std::size_t end = pending_.find('\n');
        if (end == std::string::npos) {
            break;
        }
        std::string line = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        if (line.ends_with('\r')) {
            line.pop_back();
        }
        const auto last = take_line(line);
        if (!last) {
            return std::unexpected(last.error());
        }
        if (*last) {
            size_ = 0;
            return std::exchange(reply_, {});
        }
    }
    if (pending_.size() > longest + 1) {  // a CR may stand at its end
        return fail(Failure::invalid, "the server's reply is too long");
    }
    return std::nullopt;
}

// Whether it was the last of its reply.
Result<bool> ReplyReader::take_line(std::string_view line) {
    size_ += line.size();
    const bool coded = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) &&
                       is_digit(line[2]) && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
    if (!coded) {
        return fail(Failure::invalid, "this is no SMTP server: \"" + shown(line) + "\"");
    }
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if ((reply_.code != 0 && reply_.code != code) || size_ > longest) {
        return fail(Failure::invalid, size_ > longest ? "the server's reply is too long"
                                                      : "the server's reply contradicts itself");
    }
    reply_.code = code;
    reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view());
    return line.size() == 3 || line[3] == ' ';
}

}  // namespace sekisho::delivery
