// SPDX-License-Identifier: Apache-2.0
// Lines apart and together.
#include "smtpd/sasl/auth_protocol.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "agent/base/ascii.h"

namespace sekisho::sasl {

namespace {

constexpr char escape = '\001';

std::vector<std::string_view> split(std::string_view line) {
    std::vector<std::string_view> words;
    for (;;) {
        const std::size_t tab = line.find('\t');
        words.push_back(line.substr(0, tab));
        if (tab == std::string_view::npos) {
            return words;
        }
        line.remove_prefix(tab + 1);
    }
}

std::optional<std::uint32_t> number(std::string_view text,
                                    std::uint32_t highest = std::numeric_limits<std::uint32_t>::max()) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > highest) {
        return std::nullopt;
    }
    return value;
}

// The words of one line, asked for one after the other.
class Words {
public:
    explicit Words(std::string_view line) : words_(split(line)) {}

    [[nodiscard]] std::string_view command() const { return words_.front(); }
    [[nodiscard]] std::span<const std::string_view> after(std::size_t required) const {
        return std::span(words_).subspan(std::min(1 + required, words_.size()));
    }
    // The text of a required parameter, counted from 0.
    [[nodiscard]] std::string text(std::size_t place) const {
        return place + 1 < words_.size() ? unescaped(words_[place + 1]) : std::string();
    }
    [[nodiscard]] std::optional<std::uint32_t> number(std::size_t place) const {
        return place + 1 < words_.size() ? sasl::number(words_[place + 1]) : std::nullopt;
    }

private:
    std::vector<std::string_view> words_;
};

std::unexpected<Error> malformed(const Words& words) {
    // The parameters stay unsaid: they may be a password.
    return fail(Failure::invalid, "the command " + std::string(words.command()) + " is malformed");
}

Result<void> check(std::string_view line) {
    if (line.size() >= longest_line) {
        return fail(Failure::invalid, "a line of over " + std::to_string(longest_line) + " octets");
    }
    if (line.find_first_of(std::string_view("\0\n", 2)) != std::string_view::npos) {
        return fail(Failure::invalid, "a line with NUL or LF inside");
    }
    return {};
}

// "name=value" to its value; false if the word is another one.
bool take(std::string_view word, std::string_view name, std::string& value) {
    if (!word.starts_with(name)) {
        return false;
    }
    value = unescaped(word.substr(name.size()));
    return true;
}

Result<Auth> parse_auth(const Words& words) {
    const auto id = words.number(0);
    Auth auth;
    auth.mechanism = words.text(1);
    if (!id || auth.mechanism.empty()) {
        return malformed(words);
    }
    auth.id = *id;
    bool certified = false;
    for (const std::string_view word : words.after(2)) {
        std::string text;
        if (word.starts_with("resp=")) {
            // Always the last: what stands behind it could have been smuggled in by the user.
            auth.response = word.substr(5);
            break;
        }
        if (take(word, "rport=", text)) {
            const auto port = number(text, std::numeric_limits<std::uint16_t>::max());
            if (!port) {
                return malformed(words);
            }
            auth.remote_port = static_cast<std::uint16_t>(*port);
        } else if (word == "secured" || word.starts_with("secured=")) {
            auth.secured = true;
        } else if (word == "nologin") {
            auth.no_login = true;
        } else if (word == "valid-client-cert") {
            certified = true;
        } else if (word == "tls_bindable") {
            auth.tls_bindable = true;
        } else if (word == "final-resp-ok") {
            auth.final_response_ok = true;
        } else {
            static_cast<void>(take(word, "service=", auth.service) || take(word, "lip=", auth.local) ||
                              take(word, "rip=", auth.remote) || take(word, "session=", auth.session) ||
                              take(word, "cert_username=", auth.certificate_user) ||
                              take(word, "tls_exporter=", auth.tls_exporter) ||
                              take(word, "tls_unique=", auth.tls_unique));
        }
    }
    if (!certified) {
        auth.certificate_user.clear();
    }
    return auth;
}

// Of an Ok or a Fail.
template <class Message>
bool take_names(std::string_view word, Message& to) {
    return take(word, "user=", to.user) || take(word, "original_user=", to.original_user) ||
           take(word, "auth_user=", to.auth_user);
}

Result<Fail> parse_fail(const Words& words) {
    const auto id = words.number(0);
    if (!id) {
        return malformed(words);
    }
    Fail failure;
    failure.id = *id;
    for (const std::string_view word : words.after(1)) {
        if (word == "temp") {
            failure.temporary = true;
        } else if (word == "authz") {  // the three flags are what versions before 2.3 said instead of code=
            failure.code = "authz_fail";
        } else if (word == "user_disabled" || word == "pass_expired") {
            failure.code = word;
        } else {
            static_cast<void>(take_names(word, failure) || take(word, "reason=", failure.reason) ||
                              take(word, "code=", failure.code));
        }
    }
    failure.temporary = failure.temporary || failure.code == "temp_fail";
    return failure;
}

Result<Ok> parse_ok(const Words& words) {
    const auto id = words.number(0);
    if (!id) {
        return malformed(words);
    }
    Ok ok{.id = *id, .user = {}};
    for (const std::string_view word : words.after(1)) {
        const std::string_view name = word.substr(0, word.find('='));
        ok.denied = ok.denied || name == "nologin" || name == "proxy";
        static_cast<void>(take_names(word, ok) || take(word, "resp=", ok.response) ||
                          take(word, "reason=", ok.reason));
    }
    if (!is_base64(ok.response)) {
        return malformed(words);
    }
    return ok;
}

Result<Version> parse_version(const Words& words) {
    const auto major = words.number(0);
    const auto minor = words.number(1);
    if (!major || !minor) {
        return malformed(words);
    }
    return Version{.major = *major, .minor = *minor};
}

Result<Continue> parse_continue(const Words& words) {
    const auto id = words.number(0);
    if (!id || words.after(1).size() != 1 || !is_base64(words.after(1).front())) {
        return malformed(words);
    }
    return Continue{.id = *id, .data = std::string(words.after(1).front())};
}

Result<Offer> parse_offer(const Words& words) {
    Offer offer{.mechanism = words.text(0), .properties = {}};
    if (offer.mechanism.empty()) {
        return malformed(words);
    }
    for (const std::string_view word : words.after(1)) {
        offer.properties.push_back(unescaped(word));
    }
    return offer;
}

// A message whose only parameter is a number.
template <class Message>
Result<Message> parse_number(const Words& words) {
    const auto value = words.number(0);
    if (!value) {
        return malformed(words);
    }
    return Message{*value};
}

template <class Message, class Parsed>
Result<Message> as(Result<Parsed> parsed) {
    if (!parsed) {
        return std::unexpected(std::move(parsed.error()));
    }
    return Message(std::move(*parsed));
}

// Puts a line together.
class Writer {
public:
    explicit Writer(std::string_view command) : line_(command) {}

    Writer& number(std::uint32_t value) { return raw(std::to_string(value)); }
    Writer& text(std::string_view value) { return raw(escaped(value)); }
    Writer& raw(std::string_view value) {
        line_ += '\t';
        line_ += value;
        return *this;
    }
    // name=value, where there is a value.
    Writer& given(std::string_view name, std::string_view value) {
        if (!value.empty()) {
            line_.append("\t").append(name).append("=").append(escaped(value));
        }
        return *this;
    }
    Writer& flag(std::string_view name, bool set) { return set ? raw(name) : *this; }
    Writer& more(std::string_view value) {
        line_ += value;
        return *this;
    }
    void reserve(std::size_t size) { line_.reserve(size); }
    [[nodiscard]] std::string end() { return std::move(line_ += '\n'); }

private:
    std::string line_;
};

struct Printer {
    std::string operator()(const Version& m) const {
        return Writer("VERSION").number(m.major).number(m.minor).end();
    }
    std::string operator()(const Continue& m) const { return Writer("CONT").number(m.id).raw(m.data).end(); }
    std::string operator()(const Unknown& m) const { return Writer(m.command).end(); }
    std::string operator()(const ClientProcess& m) const { return Writer("CPID").number(m.pid).end(); }
    std::string operator()(const Auth& m) const {
        Writer line("AUTH");
        // In one piece, so that no copy of a password stays behind.
        line.reserve(256 +
                     2 * (m.mechanism.size() + m.service.size() + m.local.size() + m.remote.size() +
                          m.session.size() + m.certificate_user.size() + m.tls_exporter.size() +
                          m.tls_unique.size()) +
                     (m.response ? m.response->size() : 0));
        line.number(m.id).text(m.mechanism).given("service", m.service).flag("secured", m.secured);
        line.flag("nologin", m.no_login).given("lip", m.local).given("rip", m.remote);
        line.given("rport", m.remote_port == 0 ? "" : std::to_string(m.remote_port));
        line.given("session", m.session);
        line.flag("valid-client-cert", !m.certificate_user.empty())
            .given("cert_username", m.certificate_user);
        line.flag("tls_bindable", m.tls_bindable)
            .given("tls_exporter", m.tls_exporter)
            .given("tls_unique", m.tls_unique)
            .flag("final-resp-ok", m.final_response_ok);
        if (m.response) {
            line.raw("resp=").more(*m.response);
        }
        return line.end();
    }
    std::string operator()(const Cancel& m) const { return Writer("CANCEL").number(m.id).end(); }
    std::string operator()(const Offer& m) const {
        Writer line("MECH");
        line.text(m.mechanism);
        for (const std::string& property : m.properties) {
            line.text(property);
        }
        return line.end();
    }
    std::string operator()(const ServerProcess& m) const { return Writer("SPID").number(m.pid).end(); }
    std::string operator()(const ConnectionNumber& m) const { return Writer("CUID").number(m.number).end(); }
    std::string operator()(const Cookie& m) const { return Writer("COOKIE").text(m.hex).end(); }
    std::string operator()(const Done&) const { return Writer("DONE").end(); }
    std::string operator()(const Ok& m) const {
        Writer line("OK");
        line.number(m.id).given("user", m.user).given("original_user", m.original_user);
        line.given("auth_user", m.auth_user).given("resp", m.response).flag("nologin", m.denied);
        return line.given("reason", m.reason).end();
    }
    std::string operator()(const Fail& m) const {
        // Old clients know the flag, new ones the code.
        Writer line("FAIL");
        line.number(m.id)
            .given("user", m.user)
            .given("original_user", m.original_user)
            .given("auth_user", m.auth_user)
            .flag("temp", m.temporary)
            .flag("authz", m.code == "authz_fail");
        return line.given("code", m.code).given("reason", m.reason).end();
    }
};

}  // namespace

bool is_base64(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return is_letter_or_digit(c) || c == '+' || c == '/' || c == '='; });
}

Result<ClientMessage> parse_client_line(std::string_view line) {
    if (auto fine = check(line); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    const Words words(line);
    const std::string_view command = words.command();
    if (command == "VERSION") {
        return as<ClientMessage>(parse_version(words));
    }
    if (command == "CPID") {
        return as<ClientMessage>(parse_number<ClientProcess>(words));
    }
    if (command == "AUTH") {
        return as<ClientMessage>(parse_auth(words));
    }
    if (command == "CONT") {
        return as<ClientMessage>(parse_continue(words));
    }
    if (command == "CANCEL") {
        return as<ClientMessage>(parse_number<Cancel>(words));
    }
    return Unknown{.command = std::string(command)};
}

Result<ServerMessage> parse_server_line(std::string_view line) {
    if (auto fine = check(line); !fine) {
        return std::unexpected(std::move(fine.error()));
    }
    const Words words(line);
    const std::string_view command = words.command();
    if (command == "OK") {
        return as<ServerMessage>(parse_ok(words));
    }
    if (command == "FAIL") {
        return as<ServerMessage>(parse_fail(words));
    }
    if (command == "CONT") {
        return as<ServerMessage>(parse_continue(words));
    }
    if (command == "VERSION") {
        return as<ServerMessage>(parse_version(words));
    }
    if (command == "MECH") {
        return as<ServerMessage>(parse_offer(words));
    }
    if (command == "SPID") {
        return as<ServerMessage>(parse_number<ServerProcess>(words));
    }
    if (command == "CUID") {
        return as<ServerMessage>(parse_number<ConnectionNumber>(words));
    }
    if (command == "COOKIE") {
        return Cookie{.hex = words.text(0)};
    }
    if (command == "DONE") {
        return Done{};
    }
    return Unknown{.command = std::string(command)};
}

std::string print(const ClientMessage& message) {
    return std::visit(Printer(), message);
}

std::string print(const ServerMessage& message) {
    return std::visit(Printer(), message);
}

std::string escaped(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char letter : text) {
        switch (letter) {
            case '\0':
                result += {escape, '0'};
                break;
            case escape:
                result += {escape, '1'};
                break;
            case '\t':
                result += {escape, 't'};
                break;
            case '\r':
                result += {escape, 'r'};
                break;
            case '\n':
                result += {escape, 'n'};
                break;
            default:
                result += letter;
        }
    }
    return result;
}

std::string unescaped(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != escape) {
            result += text[i];
            continue;
        }
        if (++i == text.size()) {
            break;  // nothing follows: Dovecot drops it, too
        }
        switch (text[i]) {
            case '0':
                result += '\0';
                break;
            case '1':
                result += escape;
                break;
            case 't':
                result += '\t';
                break;
            case 'r':
                result += '\r';
                break;
            case 'n':
                result += '\n';
                break;
            default:
                result += text[i];
        }
    }
    return result;
}

LineBuffer::LineBuffer() : octets_(longest_line) {}

LineBuffer::~LineBuffer() {
    if (!octets_.empty()) {
        OPENSSL_cleanse(octets_.data(), octets_.size());
    }
}

std::span<char> LineBuffer::space() {
    const std::size_t left = end_ - begin_;
    std::memmove(octets_.data(), octets_.data() + begin_, left);
    OPENSSL_cleanse(octets_.data() + left, octets_.size() - left);
    begin_ = 0;
    end_ = left;
    return std::span(octets_).subspan(end_);
}

std::optional<std::string_view> LineBuffer::next() {
    const std::string_view held(octets_.data() + begin_, end_ - begin_);
    const std::size_t end = held.find('\n');
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    begin_ += end + 1;
    return held.substr(0, end);
}

}  // namespace sekisho::sasl
