// SPDX-License-Identifier: Apache-2.0
// A cursor that walks down the grammar of RFC 5321, 4.1.2 and 4.1.3.
#include "smtpd/session/path.h"

#include "agent/base/address.h"
#include "agent/base/printable.h"
#include "smtpd/message/domain.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

constexpr std::size_t longest_label = 63;  // RFC 1035, 2.3.4

// Of UTF-8; whether it is well-formed is looked at when all of it is there.
constexpr bool is_high(char octet) {
    return static_cast<unsigned char>(octet) > 0x7f;
}

constexpr bool is_atom_text(char octet) {
    return is_letter_or_digit(octet) || is_high(octet) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(octet) != std::string_view::npos;
}

constexpr bool is_printable(char octet) {
    return (octet >= ' ' && octet <= '~') || is_high(octet);
}

// Each take_ function reads one thing off the text, or says false and leaves the cursor at what doesn't fit.
class Cursor {
public:
    explicit Cursor(std::string_view text) : text_(text) {}

    [[nodiscard]] std::size_t place() const { return place_; }
    [[nodiscard]] std::string_view since(std::size_t place) const {
        return text_.substr(place, place_ - place);
    }
    [[nodiscard]] bool at(char octet) const { return place_ < text_.size() && text_[place_] == octet; }
    bool take(char octet) {
        if (!at(octet)) {
            return false;
        }
        place_++;
        return true;
    }
    // As many as there are; whether there was one.
    bool take_all(bool (*fits)(char)) {
        const std::size_t begin = place_;
        while (place_ < text_.size() && fits(text_[place_])) {
            place_++;
        }
        return place_ > begin;
    }

    bool take_local_part() { return at('"') ? take_quoted() : take_dot_string(); }
    bool take_domain();
    bool take_literal();
    bool take_source_route();

private:
    bool take_quoted();
    bool take_dot_string();
    bool take_label();

    std::string_view text_;
    std::size_t place_ = 0;
};

bool Cursor::take_dot_string() {
    do {
        if (!take_all(is_atom_text)) {
            return false;
        }
    } while (take('.'));
    return true;
}

bool Cursor::take_quoted() {
    place_++;
    while (place_ < text_.size() && is_printable(text_[place_])) {
        if (take('"')) {
            return true;
        }
        if (take('\\') && (place_ == text_.size() || !is_printable(text_[place_]))) {
            return false;
        }
        place_++;
    }
    return false;
}

// The underscore is in no host's name, but in many a mail address.
bool Cursor::take_label() {
    const std::size_t begin = place_;
    take_all([](char octet) {
        return is_letter_or_digit(octet) || is_high(octet) || octet == '-' || octet == '_';
    });
    const std::string_view label = since(begin);
    return !label.empty() && label.size() <= longest_label && label.front() != '-' && label.back() != '-';
}

bool Cursor::take_domain() {
    do {
        if (!take_label()) {
            return false;
        }
    } while (take('.'));
    return true;
}

bool Cursor::take_literal() {
    if (!take('[')) {
        return false;
    }
    const std::size_t begin = place_;
    take_all([](char octet) { return is_printable(octet) && octet != ']' && octet != ' '; });
    std::string_view inside = since(begin);
    const bool tagged = take_word(inside, "IPv6:");
    // An IPv4 address in IPv6's clothes is understood as IPv4, so the colon tells.
    const bool ipv6 = inside.find(':') != std::string_view::npos;
    return parse_address(inside).has_value() && ipv6 == tagged && take(']');
}

// "@one.example,@two.example:", which is to be ignored (RFC 5321, appendix C).
bool Cursor::take_source_route() {
    do {
        if (!take('@') || !take_domain()) {
            return false;
        }
    } while (take(','));
    return take(':');
}

std::expected<Path, PathFault> take_mailbox(Cursor& cursor) {
    const std::size_t begin = cursor.place();
    if (!cursor.take_local_part()) {
        return std::unexpected(PathFault::syntax);
    }
    bool too_long = cursor.since(begin).size() > longest_local_part;
    const bool has_domain = cursor.take('@');
    const std::size_t domain = cursor.place();
    if (has_domain && !(cursor.at('[') ? cursor.take_literal() : cursor.take_domain())) {
        return std::unexpected(PathFault::syntax);
    }
    too_long = too_long || cursor.since(domain).size() > longest_domain;
    if (too_long) {
        return std::unexpected(PathFault::too_long);
    }
    const std::string_view mailbox = cursor.since(begin);
    if (!is_utf8(mailbox) || !message::ascii_domain(cursor.since(domain))) {
        return std::unexpected(PathFault::syntax);
    }
    return Path{
        .mailbox = std::string(mailbox), .has_domain = has_domain, .ascii = message::is_ascii(mailbox)};
}

std::expected<Path, PathFault> take_inside(Cursor& cursor) {
    if (!cursor.take('<')) {
        return std::unexpected(PathFault::syntax);
    }
    if (cursor.take('>')) {
        return Path{};
    }
    if (cursor.at('@') && !cursor.take_source_route()) {
        return std::unexpected(PathFault::syntax);
    }
    auto path = take_mailbox(cursor);
    if (path && !cursor.take('>')) {
        return std::unexpected(PathFault::syntax);
    }
    return path;
}

}  // namespace

std::expected<Path, PathFault> take_path(std::string_view& text) {
    Cursor cursor(text);
    auto path = take_inside(cursor);
    if (!path) {
        return path;
    }
    if (cursor.place() > longest_path) {
        return std::unexpected(PathFault::too_long);
    }
    text.remove_prefix(cursor.place());
    return path;
}

}  // namespace sekisho::session
