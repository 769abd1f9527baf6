// SPDX-License-Identifier: Apache-2.0
// esmtp-keyword ["=" esmtp-value], one after the other.
#include "smtpd/session/parameters.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

constexpr std::size_t most_digits = 20;  // RFC 1870, 4

constexpr bool is_upper_hex(char octet) {
    return is_digit(octet) || (octet >= 'A' && octet <= 'F');
}

constexpr bool is_keyword(std::string_view text) {
    return !text.empty() && text.front() != '-' &&
           std::ranges::all_of(text, [](char octet) { return is_letter_or_digit(octet) || octet == '-'; });
}

constexpr bool is_value(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char octet) { return octet > ' ' && octet <= '~' && octet != '='; });
}

// RFC 3461, 4.
bool is_xtext(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != '+') {
            continue;
        }
        if (text.size() - i < 3 || !is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2])) {
            return false;
        }
        i += 2;
    }
    return !text.empty();
}

std::optional<std::uint64_t> read_size(std::string_view text) {
    if (text.empty() || text.size() > most_digits || !std::ranges::all_of(text, is_digit)) {
        return std::nullopt;
    }
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    return error == std::errc() ? size : std::numeric_limits<std::uint64_t>::max();
}

// The parameters of one MAIL.
class Reader {
public:
    // Nothing where it fits.
    std::optional<ParameterFault> take(std::string_view name, std::string_view value) {
        if (same_word(name, "SIZE")) {
            return once(size_seen_, read_size_value(value));
        }
        if (same_word(name, "BODY")) {
            return once(body_seen_, read_body_value(value));
        }
        if (same_word(name, "AUTH")) {
            return once(auth_seen_, value == "<>" || is_xtext(value));
        }
        return ParameterFault::unknown;
    }
    [[nodiscard]] const MailParameters& parameters() const { return parameters_; }

private:
    bool read_size_value(std::string_view value) {
        const auto size = read_size(value);
        parameters_.size = size.value_or(0);
        return size.has_value();
    }
    bool read_body_value(std::string_view value) {
        parameters_.eight_bit = same_word(value, "8BITMIME");
        return parameters_.eight_bit || same_word(value, "7BIT");
    }
    static std::optional<ParameterFault> once(bool& seen, bool fits) {
        if (!fits || seen) {
            return ParameterFault::syntax;
        }
        seen = true;
        return std::nullopt;
    }

    MailParameters parameters_;
    bool size_seen_ = false;
    bool body_seen_ = false;
    bool auth_seen_ = false;
};

}  // namespace

std::expected<MailParameters, ParameterFault> read_mail_parameters(std::string_view text) {
    Reader reader;
    while (!text.empty()) {
        if (text.front() != ' ') {
            return std::unexpected(ParameterFault::syntax);
        }
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        const std::string_view parameter = text.substr(0, text.find(' '));
        text.remove_prefix(parameter.size());
        const std::size_t sign = parameter.find('=');
        const std::string_view name = parameter.substr(0, sign);
        const bool valued = sign != std::string_view::npos;
        const std::string_view value = valued ? parameter.substr(sign + 1) : std::string_view();
        if (!is_keyword(name) || (valued && !is_value(value))) {
            return std::unexpected(ParameterFault::syntax);
        }
        if (const auto fault = reader.take(name, value)) {
            return std::unexpected(*fault);
        }
    }
    return reader.parameters();
}

}  // namespace sekisho::session
