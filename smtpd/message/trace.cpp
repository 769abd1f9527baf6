// SPDX-License-Identifier: Apache-2.0
// The Received field, and dates.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "agent/base/ascii.h"
#include "smtpd/message/fixups.h"

namespace sekisho::message {

namespace {

constexpr std::size_t longest_word = 255;  // of what comes from strangers

// Names as RFC 5321 has them in the trace; others keep nothing that could end a comment or a line.
constexpr bool is_name_text(char octet) {
    return is_letter_or_digit(octet) || std::string_view("-._:[]").find(octet) != std::string_view::npos;
}

std::string name_of(std::string_view text) {
    std::string name(text.substr(0, longest_word));
    std::ranges::replace_if(name, [](char octet) { return !is_name_text(octet); }, '?');
    return name.empty() ? "unknown" : name;
}

// For comments: printable, without what could end them.
std::string comment(std::string_view text) {
    std::string inside(text.substr(0, longest_word));
    std::ranges::replace_if(
        inside,
        [](char octet) {
            return octet < ' ' || octet > '~' || octet == '(' || octet == ')' || octet == '\\';
        },
        '?');
    return inside;
}

// "192.0.2.1" or "IPv6:2001:db8::1" (RFC 5321, 4.1.3).
std::string literal(std::string_view address) {
    return (address.find(':') == std::string_view::npos ? "[" : "[IPv6:") + name_of(address) + "]";
}

// An address of an envelope, whose local part may be quoted: only what would end the line is taken out.
std::string path_of(std::string_view address) {
    std::string path(address);
    std::ranges::replace_if(path, [](char octet) { return octet < ' ' || octet > '~'; }, '?');
    return '<' + path + '>';
}

std::string digits(unsigned number) {
    return {static_cast<char>('0' + number / 10 % 10), static_cast<char>('0' + number % 10)};
}

}  // namespace

std::string date_text(WallTime time) {
    static constexpr std::array<std::string_view, 7> weekdays = {"Sun", "Mon", "Tue", "Wed",
                                                                 "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    std::string text(weekdays.at(std::chrono::weekday(day).c_encoding()));
    text += ", " + std::to_string(static_cast<unsigned>(date.day())) + ' ';
    text += months.at(static_cast<unsigned>(date.month()) - 1);
    text += ' ' + std::to_string(static_cast<int>(date.year())) + ' ';
    text += digits(static_cast<unsigned>(clock.hours().count())) + ':';
    text += digits(static_cast<unsigned>(clock.minutes().count())) + ':';
    text += digits(static_cast<unsigned>(clock.seconds().count())) + " +0000";
    return text;
}

// A FROM clause must be there (RFC 5321, 4.4); no host has a name below "invalid" (RFC 2606).
constexpr std::string_view hidden = "client.invalid (hidden)";

std::string received_field(const Trace& trace) {
    std::string field = "Received: from ";
    field +=
        trace.client.empty() ? std::string(hidden) : name_of(trace.helo) + " (" + literal(trace.client) + ")";
    field += "\r\n";
    field += "\tby " + name_of(trace.hostname) + " with " + name_of(trace.protocol);
    if (!trace.tls.empty()) {
        field += " (" + comment(trace.tls) + ")";
    }
    field += "\r\n\tid " + name_of(trace.id);
    if (!trace.recipient.empty()) {
        field += "\r\n\tfor " + path_of(trace.recipient);
    }
    field += ";\r\n\t" + date_text(trace.received) + "\r\n";
    return field;
}

}  // namespace sekisho::message
