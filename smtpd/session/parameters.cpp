// SPDX-License-Identifier: Apache-2.0
// esmtp-keyword ["=" esmtp-value], one after the other.
#include "smtpd/session/parameters.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "agent/base/printable.h"
#include "smtpd/message/domain.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

constexpr std::size_t most_digits = 20;  // RFC 1870, 4

constexpr bool is_keyword(std::string_view text) {
    return !text.empty() && text.front() != '-' &&
           std::ranges::all_of(text, [](char octet) { return is_letter_or_digit(octet) || octet == '-'; });
}

// UTF-8 is added to it by RFC 6531, 3.3.
bool is_value(std::string_view text, bool utf8) {
    const auto fits = [](unsigned char octet) { return octet > ' ' && octet != 0x7f && octet != '='; };
    return !text.empty() && std::ranges::all_of(text, fits) &&
           (utf8 ? is_utf8(text) : message::is_ascii(text));
}

std::optional<std::uint64_t> read_size(std::string_view text) {
    if (text.empty() || text.size() > most_digits || !std::ranges::all_of(text, is_digit)) {
        return std::nullopt;
    }
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    return error == std::errc() ? size : std::numeric_limits<std::uint64_t>::max();
}

// Nothing where a parameter fits: its value does, and it hasn't been there before.
std::optional<ParameterFault> once(bool& seen, bool fits) {
    if (!fits || std::exchange(seen, true)) {
        return ParameterFault::syntax;
    }
    return std::nullopt;
}

// The parameters of one MAIL.
class MailReader {
public:
    std::optional<ParameterFault> take(std::string_view name, std::string_view value, bool valued) {
        if (same_word(name, "SMTPUTF8")) {
            return once(parameters_.utf8, !valued);
        }
        if (same_word(name, "SIZE")) {
            return once(size_seen_, read_size_value(value));
        }
        if (same_word(name, "BODY")) {
            return once(body_seen_, read_body_value(value));
        }
        if (same_word(name, "AUTH")) {
            return once(auth_seen_, value == "<>" || message::is_xtext(value));
        }
        if (same_word(name, "RET")) {
            const auto returned = message::parse_return(value);
            parameters_.returned = returned.value_or(message::Return::not_given);
            return once(return_seen_, returned.has_value());
        }
        if (same_word(name, "ENVID")) {
            parameters_.envelope_id = value;
            return once(id_seen_, message::is_envelope_id(value));
        }
        return ParameterFault::unknown;
    }
    [[nodiscard]] MailParameters parameters() && { return std::move(parameters_); }

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

    MailParameters parameters_;
    bool size_seen_ = false;
    bool body_seen_ = false;
    bool auth_seen_ = false;
    bool return_seen_ = false;
    bool id_seen_ = false;
};

// Those of one RCPT.
class RecipientReader {
public:
    std::optional<ParameterFault> take(std::string_view name, std::string_view value, bool /*valued*/) {
        if (same_word(name, "NOTIFY")) {
            const auto notify = message::parse_notify(value);
            parameters_.notify = notify.value_or(message::Notify());
            return once(notify_seen_, notify.has_value());
        }
        if (same_word(name, "ORCPT")) {
            const auto original = message::read_original_recipient(value);
            parameters_.original = original.value_or("");
            return once(original_seen_, original.has_value());
        }
        return ParameterFault::unknown;
    }
    [[nodiscard]] RecipientParameters parameters() && { return std::move(parameters_); }

private:
    RecipientParameters parameters_;
    bool notify_seen_ = false;
    bool original_seen_ = false;
};

// Gives each parameter to the reader.
template <class Reader>
std::optional<ParameterFault> read_all(std::string_view text, bool utf8, Reader& reader) {
    while (!text.empty()) {
        if (text.front() != ' ') {
            return ParameterFault::syntax;
        }
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        const std::string_view parameter = text.substr(0, text.find(' '));
        text.remove_prefix(parameter.size());
        const std::size_t sign = parameter.find('=');
        const std::string_view name = parameter.substr(0, sign);
        const bool valued = sign != std::string_view::npos;
        const std::string_view value = valued ? parameter.substr(sign + 1) : std::string_view();
        if (!is_keyword(name) || (valued && !is_value(value, utf8))) {
            return ParameterFault::syntax;
        }
        if (const auto fault = reader.take(name, value, valued)) {
            return fault;
        }
    }
    return std::nullopt;
}

}  // namespace

std::expected<MailParameters, ParameterFault> read_mail_parameters(std::string_view text) {
    MailReader reader;
    if (const auto fault = read_all(text, false, reader)) {
        return std::unexpected(*fault);
    }
    return std::move(reader).parameters();
}

std::expected<RecipientParameters, ParameterFault> read_recipient_parameters(std::string_view text,
                                                                             bool utf8) {
    RecipientReader reader;
    if (const auto fault = read_all(text, utf8, reader)) {
        return std::unexpected(*fault);
    }
    return std::move(reader).parameters();
}

}  // namespace sekisho::session
