// SPDX-License-Identifier: Apache-2.0
// What a sender wants to hear of a message's fate (RFC 3461): the parameters of MAIL and RCPT as values.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sekisho::message {

// NOTIFY (section 4.1). Nothing of it: it wasn't given, and a failure is told.
struct Notify {
    bool never = false;
    bool success = false;
    bool failure = false;
    bool delay = false;

    [[nodiscard]] bool given() const { return never || success || failure || delay; }
    [[nodiscard]] bool of_failure() const { return failure || !given(); }
    // "SUCCESS,FAILURE", as it stands behind NOTIFY=; "" where it wasn't given.
    [[nodiscard]] std::string text() const;
    bool operator==(const Notify&) const = default;
};

// RET (section 4.3): what of the message a notice of failure brings back. Not given, it is the header.
enum class Return : std::uint8_t { not_given, headers, full };

// The value of a parameter; nothing where it is none. NEVER stands alone, and no word twice.
[[nodiscard]] std::optional<Notify> parse_notify(std::string_view value);
[[nodiscard]] std::optional<Return> parse_return(std::string_view value);
// "FULL", "HDRS" or "".
[[nodiscard]] std::string_view text_of(Return what);

// Section 4: all printable but "+" and "=", and "+" with two digits.
[[nodiscard]] bool is_xtext(std::string_view text);
// ENVID's value (section 4.4): up to 100 octets that mean printable ones.
[[nodiscard]] bool is_envelope_id(std::string_view value);
// ORCPT's value (section 4.2), "rfc822;bob@example.org" or "utf-8;j\x{F6}rg@example.org" (RFC 6533, 3): up to
// 500 octets that mean printable ones.
[[nodiscard]] bool is_original_recipient(std::string_view value);
// The same where it may be in letters of any language (utf-8-addr-unitext, RFC 6533, 3), written in ASCII,
// which hosts without SMTPUTF8 can take as well; nothing where it is none, or longer than 500 octets so.
[[nodiscard]] std::optional<std::string> read_original_recipient(std::string_view value);
// utf-8-addr-xtext (RFC 6533, 3): UTF-8 as those can read it who know only ASCII, "j\x{F6}rg". Of what is
// ASCII only the octets `quoted` are written so, too.
[[nodiscard]] std::string utf8_xtext(std::string_view text, std::string_view quoted);
// What xtext means.
[[nodiscard]] std::string decoded_xtext(std::string_view text);

}  // namespace sekisho::message
