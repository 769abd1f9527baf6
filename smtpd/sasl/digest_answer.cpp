// SPDX-License-Identifier: Apache-2.0
// name=value, name="value", with commas between them.
#include "smtpd/sasl/digest_answer.h"

#include <algorithm>
#include <array>
#include <map>

#include "agent/base/ascii.h"

namespace sekisho::sasl {

namespace {

using Directives = std::map<std::string, std::string, std::less<>>;

constexpr std::array<std::string_view, 6> quoted = {"username", "realm",      "nonce",
                                                    "cnonce",   "digest-uri", "authzid"};
constexpr std::array<std::string_view, 5> needed = {"username", "nonce", "cnonce", "nc", "response"};

void skip_blanks(std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    text.remove_prefix(begin);
}

// A value, quoted or not. Nothing for one that isn't closed, or has signs that are read in more ways than
// one: no client needs them.
std::optional<std::string> take_value(std::string_view& text) {
    if (!text.starts_with('"')) {
        const std::size_t end = std::min(text.find_first_of(", \t\r\n"), text.size());
        const std::string value(text.substr(0, end));
        text.remove_prefix(end);
        return value.empty() || value.find_first_of("\"\\=") != std::string::npos
                   ? std::nullopt
                   : std::optional<std::string>(value);
    }
    const std::size_t end = text.find('"', 1);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    std::string value(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    // GNU SASL takes blanks and quotes off both ends of a value.
    const bool odd = value.find('\\') != std::string::npos || value.starts_with(' ') ||
                     value.ends_with(' ') || std::ranges::any_of(value, [](char octet) {
                         return static_cast<unsigned char>(octet) < 0x20 || octet == 0x7f;
                     });
    return odd ? std::nullopt : std::optional<std::string>(std::move(value));
}

// Names in small letters; none twice.
std::optional<Directives> directives_in(std::string_view text) {
    Directives all;
    for (skip_blanks(text); !text.empty(); skip_blanks(text)) {
        if (text.front() == ',') {
            text.remove_prefix(1);
            continue;
        }
        const std::size_t end = std::min(text.find('='), text.size());
        const std::string name = lowered(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        auto value = take_value(text);
        skip_blanks(text);
        const bool is_name = !name.empty() && std::ranges::all_of(name, [](char octet) {
            return is_letter_or_digit(octet) || octet == '-';
        });
        if (!is_name || !value || (!text.empty() && text.front() != ',') ||
            !all.emplace(name, std::move(*value)).second) {
            return std::nullopt;
        }
    }
    return all;
}

// "LHEX" in RFC 2831, of so many digits: such values are written again without quotes.
bool is_hex(std::string_view text, std::size_t digits) {
    return text.size() == digits && std::ranges::all_of(text, [](char octet) {
               return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'f') ||
                      (octet >= 'A' && octet <= 'F');
           });
}

std::string value_of(const Directives& all, std::string_view name) {
    const auto found = all.find(name);
    return found == all.end() ? std::string() : found->second;
}

}  // namespace

std::optional<std::string> checked_digest_answer(std::string_view answer, std::string_view service) {
    const auto all = directives_in(answer);
    if (!all || std::ranges::any_of(needed, [&all](std::string_view name) { return !all->contains(name); })) {
        return std::nullopt;
    }
    constexpr std::size_t count_digits = 8;
    constexpr std::size_t proof_digits = 32;
    if (!is_hex(value_of(*all, "nc"), count_digits) || !is_hex(value_of(*all, "response"), proof_digits)) {
        return std::nullopt;
    }
    const std::string charset = value_of(*all, "charset");
    const std::string protection = value_of(*all, "qop");
    if (!lowered(value_of(*all, "digest-uri")).starts_with(lowered(service) + "/") ||
        (!charset.empty() && lowered(charset) != "utf-8") || (!protection.empty() && protection != "auth")) {
        return std::nullopt;
    }
    std::string text = charset.empty() ? "" : "charset=utf-8,";
    text += "nc=" + value_of(*all, "nc") + ",response=" + value_of(*all, "response");
    text += protection.empty() ? "" : ",qop=auth";
    for (const std::string_view name : quoted) {
        if (all->contains(name) || name == "realm") {
            text.append(",").append(name).append("=\"").append(value_of(*all, name)).append("\"");
        }
    }
    return text;
}

}  // namespace sekisho::sasl
