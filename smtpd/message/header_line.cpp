// SPDX-License-Identifier: Apache-2.0
// Names are compared as ASCII, whatever the locale.
#include "smtpd/message/header_line.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/ascii.h"

namespace sekisho::message {

namespace {

constexpr bool is_field_name_octet(char octet) {
    return octet > ' ' && octet <= '~';
}

// Those that something is done about.
constexpr std::array<std::pair<std::string_view, HeaderLine>, 6> known = {{
    {"date", HeaderLine::date},
    {"message-id", HeaderLine::message_id},
    {"received", HeaderLine::received},
    {"bcc", HeaderLine::blind_copy},
    {"resent-bcc", HeaderLine::blind_copy},
    {"return-path", HeaderLine::return_path},
}};

}  // namespace

HeaderLine classify(std::string_view line) {
    if (line.starts_with(' ') || line.starts_with('\t')) {
        return HeaderLine::continuation;
    }
    if (line.empty() || line == "\r\n" || line == "\n") {
        return HeaderLine::end;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        return HeaderLine::no_field;
    }
    std::string_view name = line.substr(0, colon);
    name = name.substr(0, name.find_last_not_of(" \t") + 1);
    if (name.empty() || !std::ranges::all_of(name, is_field_name_octet)) {
        return HeaderLine::no_field;
    }
    const auto* const place = std::ranges::find_if(
        known, [name](const auto& each) { return std::ranges::equal(name, each.first, {}, lower); });
    return place == known.end() ? HeaderLine::field : place->second;
}

}  // namespace sekisho::message
