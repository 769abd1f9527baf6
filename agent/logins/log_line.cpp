// SPDX-License-Identifier: Apache-2.0
// Takes lines apart by hand: most of them are nobody's login, and there may be half a million in a second.
#include "agent/logins/log_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>

#include "agent/base/ascii.h"

namespace sekisho::logins {

namespace {

constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Whether the text has this form: 0 stands for a digit, _ for a digit or a blank, anything else for itself.
bool has_form(std::string_view text, std::string_view form) {
    return text.size() >= form.size() &&
           std::ranges::equal(form, text.substr(0, form.size()), [](char wanted, char letter) {
               return wanted == '0'   ? is_digit(letter)
                      : wanted == '_' ? is_digit(letter) || letter == ' '
                                      : letter == wanted;
           });
}

int number(std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
    int value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

constexpr std::string_view classic_form = " _0 00:00:00";
constexpr std::size_t classic_size = 3 + classic_form.size();
constexpr std::string_view day_form = "0000-00-00";
constexpr std::string_view clock_form = "00:00:00";
constexpr std::size_t iso_size = day_form.size() + 1 + clock_form.size();

bool is_classic(std::string_view text) {
    return text.size() >= classic_size && has_form(text.substr(3), classic_form) &&
           std::ranges::find(months, text.substr(0, 3)) != months.end();
}

bool is_iso(std::string_view text) {
    return text.size() >= iso_size && has_form(text, day_form) &&
           (text[day_form.size()] == 'T' || text[day_form.size()] == ' ') &&
           has_form(text.substr(day_form.size() + 1), clock_form);
}

// How long the stamp is that a line begins with, a fraction and the zone included; 0 if there is none.
std::size_t stamp_size(std::string_view line) {
    if (is_classic(line)) {
        return classic_size;
    }
    if (!is_iso(line)) {
        return 0;
    }
    std::size_t size = iso_size;
    if (size < line.size() && (line[size] == '.' || line[size] == ',')) {
        size++;
        while (size < line.size() && is_digit(line[size])) {
            size++;
        }
    }
    if (size < line.size() && line[size] == 'Z') {
        return size + 1;
    }
    if (size < line.size() && (line[size] == '+' || line[size] == '-')) {
        const std::string_view zone = line.substr(size + 1);
        return size + 1 + (has_form(zone, "00:00") ? 5 : has_form(zone, "0000") ? 4 : 0);
    }
    return size;
}

// Takes "<34>" off; whether it was there.
bool skip_priority(std::string_view& line) {
    if (!line.starts_with('<')) {
        return false;
    }
    const std::size_t end = line.find('>');
    constexpr std::size_t most_digits = 3;
    if (end != std::string_view::npos && end >= 2 && end <= most_digits + 1 &&
        std::ranges::all_of(line.substr(1, end - 1), is_digit)) {
        line.remove_prefix(end + 1);
        return true;
    }
    return false;
}

bool is_of_tag(char letter) {
    return is_letter_or_digit(letter) || letter == '-' || letter == '_' || letter == '.' || letter == '/';
}

// Reads "program: " or "program[pid]: "; false, and nothing is taken, if the text begins otherwise.
bool take_tag(std::string_view& text, LogLine& line) {
    const auto size = static_cast<std::size_t>(std::ranges::find_if_not(text, is_of_tag) - text.begin());
    std::string_view rest = text.substr(size);
    std::optional<std::uint32_t> pid;
    if (rest.starts_with('[')) {
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), value);
        if (error != std::errc() || end == rest.data() + rest.size() || *end != ']') {
            return false;
        }
        pid = value;
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
    }
    if (size == 0 || !rest.starts_with(": ")) {
        return false;
    }
    line.program = text.substr(0, size);
    line.pid = pid;
    text = rest.substr(2);
    return true;
}

// Takes a word and the blank behind it off.
bool skip_word(std::string_view& text) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos || blank == 0) {
        return false;
    }
    text.remove_prefix(blank + 1);
    return true;
}

// The word before the next blank, which is taken off with it. Nothing if there is none.
std::optional<std::string_view> take_word(std::string_view& text) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!skip_word(text)) {
        return std::nullopt;
    }
    return word;
}

// Takes the structured data off, and the blank behind it (RFC 5424, 6.3); false if it isn't whole.
bool skip_structured_data(std::string_view& text) {
    std::size_t at = text.starts_with('-') ? 1 : 0;
    const bool nil = at == 1;
    while (!nil && at < text.size() && text[at] == '[') {
        bool quoted = false;
        for (at++; at < text.size() && (quoted || text[at] != ']'); at++) {
            if (text[at] == '"') {
                quoted = !quoted;
            } else if (quoted && text[at] == '\\') {
                at++;
            }
        }
        if (at >= text.size()) {
            return false;
        }
        at++;
    }
    if (at == 0 || (at < text.size() && text[at] != ' ')) {
        return false;
    }
    text.remove_prefix(std::min(at + 1, text.size()));
    return true;
}

// Reads what stands behind the priority of a message of RFC 5424 (section 6): version, time stamp, host,
// program, process, kind of message, structured data. False, and nothing is taken, if the text isn't one.
bool take_header(std::string_view& text, LogLine& line) {
    constexpr std::string_view version = "1 ";
    constexpr std::string_view nil = "-";
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    std::string_view rest = text;
    if (!rest.starts_with(version)) {
        return false;
    }
    rest.remove_prefix(version.size());
    const auto stamp = take_word(rest);
    if (!stamp || (*stamp != nil && stamp_size(*stamp) != stamp->size())) {
        return false;
    }
    const auto host = take_word(rest);
    const auto program = take_word(rest);
    const auto process = take_word(rest);
    if (!host || !program || !process || !skip_word(rest) || !skip_structured_data(rest)) {
        return false;
    }
    line.stamp = *stamp == nil ? std::string_view() : *stamp;
    line.host = *host == nil ? std::string_view() : *host;
    line.program = *program == nil ? std::string_view() : *program;
    std::uint32_t pid = 0;
    const auto [end, error] = std::from_chars(process->data(), process->data() + process->size(), pid);
    if (error == std::errc() && end == process->data() + process->size()) {
        line.pid = pid;
    }
    text = rest.starts_with(byte_order_mark) ? rest.substr(byte_order_mark.size()) : rest;
    // rsyslog counts the blank behind RFC 3164's tag to the message that it sends on.
    text.remove_prefix(text.starts_with(' ') ? 1 : 0);
    return true;
}

// Dovecot names its service behind its own name, and says how grave it is where it writes its own file.
void look_into_dovecot(LogLine& line) {
    if (line.program == "dovecot") {
        LogLine service;
        if (!take_tag(line.message, service)) {
            return;
        }
        line.program = service.program;
        line.pid = service.pid;
    }
    constexpr std::string_view level = "Info: ";
    if (line.program.ends_with("-login") && line.message.starts_with(level)) {
        line.message.remove_prefix(level.size());
    }
}

}  // namespace

LogLine read_line(std::string_view text) {
    LogLine line;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0')) {
        text.remove_suffix(1);
    }
    if (skip_priority(text) && take_header(text, line)) {
        line.message = text;
        look_into_dovecot(line);
        return line;
    }
    const std::size_t size = stamp_size(text);
    if (size != 0 && size < text.size() && text[size] == ' ') {
        line.stamp = text.substr(0, size);
        text.remove_prefix(size + 1);
    }
    if (!take_tag(text, line) && !line.stamp.empty()) {
        std::string_view behind_host = text;
        const auto host = take_word(behind_host);
        if (host && take_tag(behind_host, line)) {
            line.host = *host;
            text = behind_host;
        }
    }
    line.message = text;
    look_into_dovecot(line);
    return line;
}

LogLine line_of(std::string_view program, std::optional<std::uint32_t> pid, std::string_view message) {
    LogLine line{.stamp = {}, .host = {}, .program = program, .pid = pid, .message = message};
    look_into_dovecot(line);
    return line;
}

namespace {

using Seconds = std::chrono::sys_seconds;

std::optional<Seconds> local(std::tm fields, const FromLocal& from_local) {
    fields.tm_isdst = -1;
    const auto time = from_local(fields);
    return time ? std::optional(Seconds(std::chrono::seconds(*time))) : std::nullopt;
}

std::tm clock_of(std::string_view clock) {
    std::tm fields{};
    fields.tm_hour = number(clock.substr(0, 2));
    fields.tm_min = number(clock.substr(3, 2));
    fields.tm_sec = number(clock.substr(6, 2));
    return fields;
}

bool is_clock(const std::tm& fields) {
    constexpr int leap_second = 60;
    return fields.tm_hour < 24 && fields.tm_min < 60 && fields.tm_sec <= leap_second;
}

// Of this year, the one before, or, on its last day, the one after: the latest that isn't far ahead.
std::optional<Seconds> classic_time(std::string_view stamp, grants::WallTime now,
                                    const FromLocal& from_local) {
    std::tm fields = clock_of(stamp.substr(7));
    fields.tm_mon = static_cast<int>(std::ranges::find(months, stamp.substr(0, 3)) - months.begin());
    fields.tm_mday = number(stamp.substr(4, 2));
    if (!is_clock(fields) || fields.tm_mday < 1 || fields.tm_mday > 31) {
        return std::nullopt;
    }
    constexpr int first_year = 1900;
    const auto today = std::chrono::floor<std::chrono::days>(now);
    const int year = static_cast<int>(std::chrono::year_month_day(today).year()) - first_year;
    std::optional<Seconds> latest;
    for (const int each : {year - 1, year, year + 1}) {
        fields.tm_year = each;
        const auto time = local(fields, from_local);
        if (time && *time <= now + grants::farthest_ahead) {
            latest = time;
        }
    }
    return latest;
}

std::chrono::nanoseconds fraction_of(std::string_view digits) {
    constexpr std::size_t most = 9;
    std::string padded(digits.substr(0, most));
    padded.resize(most, '0');
    return std::chrono::nanoseconds(number(padded));
}

// The offset behind an ISO stamp: nothing if there is none.
std::optional<std::chrono::minutes> zone_of(std::string_view zone) {
    if (zone == "Z") {
        return std::chrono::minutes(0);
    }
    if (zone.size() < 5) {
        return std::nullopt;
    }
    const std::chrono::minutes offset(number(zone.substr(1, 2)) * 60 + number(zone.substr(zone.size() - 2)));
    return zone.front() == '-' ? -offset : offset;
}

std::optional<grants::WallTime> iso_time(std::string_view stamp, const FromLocal& from_local) {
    std::tm fields = clock_of(stamp.substr(day_form.size() + 1));
    const std::chrono::year_month_day day(
        std::chrono::year(number(stamp.substr(0, 4))),
        std::chrono::month(static_cast<unsigned>(number(stamp.substr(5, 2)))),
        std::chrono::day(static_cast<unsigned>(number(stamp.substr(8, 2)))));
    // Our nanoseconds end in 2262.
    const bool in_range = day.year() >= std::chrono::year(1970) && day.year() < std::chrono::year(2262);
    if (!day.ok() || !in_range || !is_clock(fields)) {
        return std::nullopt;
    }
    std::string_view rest = stamp.substr(iso_size);
    std::chrono::nanoseconds fraction{};
    if (!rest.empty() && (rest.front() == '.' || rest.front() == ',')) {
        const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
        fraction = fraction_of(rest.substr(1, end - 1));
        rest.remove_prefix(end);
    }
    if (const auto zone = zone_of(rest)) {
        return std::chrono::sys_days(day) + std::chrono::hours(fields.tm_hour) +
               std::chrono::minutes(fields.tm_min) + std::chrono::seconds(fields.tm_sec) - *zone + fraction;
    }
    fields.tm_year = static_cast<int>(day.year()) - 1900;
    fields.tm_mon = static_cast<int>(static_cast<unsigned>(day.month())) - 1;
    fields.tm_mday = static_cast<int>(static_cast<unsigned>(day.day()));
    const auto time = local(fields, from_local);
    return time ? std::optional<grants::WallTime>(*time + fraction) : std::nullopt;
}

}  // namespace

std::optional<grants::WallTime> time_of(std::string_view stamp, grants::WallTime now,
                                        const FromLocal& from_local) {
    if (is_classic(stamp)) {
        return classic_time(stamp, now, from_local);
    }
    return is_iso(stamp) ? iso_time(stamp, from_local) : std::nullopt;
}

}  // namespace sekisho::logins
