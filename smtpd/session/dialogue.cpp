// SPDX-License-Identifier: Apache-2.0
// Octets in, actions out, and the answers of others in between.
#include "smtpd/session/dialogue.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace sekisho::session {

namespace {

constexpr std::size_t most_failed_logins = 3;

// Part of a reply that comes from elsewhere: no stranger's line end gets into it.
std::string one_line(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](char octet) { return octet < ' ' || octet > '~'; }, '?');
    return line;
}

// "452 4.3.1 ..." and the like.
bool is_refusal(std::string_view reply) {
    return reply.size() > 5 && (reply[0] == '4' || reply[0] == '5') && reply[3] == ' ' &&
           reply[4] == reply[0] && reply[5] == '.';
}

std::string refusal_of(std::string_view reply) {
    return is_refusal(reply) ? one_line(reply) : "451 4.3.0 Temporary failure, try again later";
}

}  // namespace

Dialogue::Dialogue(Settings settings) : settings_(std::move(settings)) {
    state_.tls = settings_.tls_active;
    state_.user = settings_.user;
}

Actions Dialogue::begin() {
    say("220 " + settings_.hostname + " ESMTP Sekisho");
    return take_actions();
}

Actions Dialogue::receive(std::string_view bytes) {
    if (awaited_ == Awaited::nothing) {
        read(bytes);
    } else if (awaited_ != Awaited::handshake) {
        pending_ += bytes;
    }
    return take_actions();
}

void Dialogue::read(std::string_view input) {
    while (!input.empty() && awaited_ == Awaited::nothing && phase_ != Phase::closed) {
        if (phase_ == Phase::body) {
            read_body(input);
        } else if (phase_ == Phase::chunk) {
            read_chunk(input);
        } else {
            read_line(input);
        }
    }
    // In front of a handshake anybody could have written it (RFC 3207, 4.2); behind the end nobody reads it.
    if (awaited_ != Awaited::nothing && awaited_ != Awaited::handshake) {
        pending_ = input;
    }
}

void Dialogue::read_line(std::string_view& input) {
    const bool response = phase_ == Phase::response;
    const LineReader::Line line = lines_.take(input, response ? &longest_response : &longest_command);
    if (line.kind == LineReader::Kind::part) {
        return;
    }
    if (line.kind == LineReader::Kind::endless) {
        close("421 4.7.0 This line has no end");
    } else if (response) {
        line.kind == LineReader::Kind::whole ? auth_response(line.text) : bad_response(line.kind);
    } else if (line.kind == LineReader::Kind::whole) {
        command(line.text);
    } else {
        bad_line(line);
    }
    lines_.wipe();
}

void Dialogue::bad_line(const LineReader::Line& line) {
    if (line.kind != LineReader::Kind::too_long) {
        return refuse("500 5.5.2 NUL, bare CR or bare LF in a command line");
    }
    // RFC 4954, 4: its response is too long for what we have room for.
    refuse(line.longest == longest_auth ? "500 5.5.6 Authentication exchange line is too long"
                                        : "500 5.5.2 Line too long");
}

// The answers

Actions Dialogue::tls_started() {
    if (is_awaited(Awaited::handshake)) {
        state_.tls = true;
    }
    return answered();
}

Actions Dialogue::auth_continued(std::string_view challenge) {
    if (is_awaited(Awaited::login)) {
        phase_ = Phase::response;
        say("334 " + one_line(challenge));
    }
    return answered();
}

Actions Dialogue::auth_succeeded(std::string user) {
    if (is_awaited(Awaited::login)) {
        state_.user = std::move(user);
        say("235 2.7.0 Authentication successful");
    }
    return answered();
}

Actions Dialogue::auth_failed(AuthFailure failure) {
    if (!is_awaited(Awaited::login)) {
        return answered();
    }
    if (failure == AuthFailure::temporary) {
        say("454 4.7.0 Temporary authentication failure");
        return answered();
    }
    state_.failed_logins++;
    state_.errors++;  // and another one in refuse()
    refuse("535 5.7.8 Authentication credentials invalid");
    if (state_.failed_logins >= most_failed_logins) {
        close("421 4.7.0 Too many failed logins, closing the connection");
    }
    return answered();
}

Actions Dialogue::address_accepted() {
    const bool sender = awaited_ == Awaited::sender;
    if (is_awaited(sender ? Awaited::sender : Awaited::recipient)) {
        phase_ = Phase::mail;
        say(sender ? "250 2.1.0 Sender ok" : "250 2.1.5 Recipient ok");
    }
    return answered();
}

Actions Dialogue::address_refused(std::string_view reply) {
    const bool sender = awaited_ == Awaited::sender;
    if (is_awaited(sender ? Awaited::sender : Awaited::recipient)) {
        sender ? forget_message() : envelope_.recipients.pop_back();
        const std::string line = refusal_of(reply);
        if (line.front() == '5') {
            refuse(line);
        } else {
            say(line);
            count_idle();
        }
    }
    return answered();
}

Actions Dialogue::message_kept(std::string_view id) {
    if (is_awaited(Awaited::keeping)) {
        state_.messages++;
        idle_ = 0;
        forget_message();
        say("250 2.0.0 Accepted as " + one_line(id));
    }
    return answered();
}

Actions Dialogue::message_refused(std::string_view reply) {
    const std::string line = refusal_of(reply);
    const bool begun = phase_ == Phase::body || phase_ == Phase::chunk || phase_ == Phase::chunks;
    if (begun && awaited_ == Awaited::nothing) {
        abort_message(line, false);
        return take_actions();
    }
    if (is_awaited(Awaited::keeping)) {
        forget_message();
        say(line);
    }
    return answered();
}

Actions Dialogue::give_up(std::string_view text) {
    if (phase_ == Phase::closed) {
        return {};
    }
    const bool coded = text.starts_with("4.");
    close((coded ? "421 " : "421 4.3.2 ") + one_line(text));
    return take_actions();
}

// Whether this answer is the awaited one, which it then is no more; false after the end, where none matters.
bool Dialogue::is_awaited(Awaited what) {
    if (phase_ == Phase::closed) {
        return false;
    }
    if (awaited_ != what) {
        throw std::logic_error("an SMTP session was told what it hadn't asked");
    }
    awaited_ = Awaited::nothing;
    return true;
}

// Goes on with what has come in the meantime.
Actions Dialogue::answered() {
    read(std::exchange(pending_, {}));
    return take_actions();
}

// The actions

Actions Dialogue::take_actions() {
    return std::exchange(actions_, {});
}

// Replies in a row become one, and so one packet (RFC 2920, 3.2).
void Dialogue::say(std::string_view line) {
    if (actions_.empty() || !std::holds_alternative<Reply>(actions_.back())) {
        actions_.emplace_back(Reply{});
    }
    std::string& text = std::get<Reply>(actions_.back()).text;
    text += line;
    text += "\r\n";
}

void Dialogue::refuse(std::string_view line) {
    say(line);
    count_error();
}

void Dialogue::count_error() {
    if (++state_.errors >= settings_.errors) {
        close("421 4.7.0 Too many errors, closing the connection");
    }
}

void Dialogue::close(std::string_view line) {
    if (phase_ == Phase::closed) {
        return;
    }
    if (phase_ == Phase::response) {
        actions_.emplace_back(AuthCancelled{});
    }
    drop_message();
    say(line);
    actions_.emplace_back(Close{});
    phase_ = Phase::closed;
    awaited_ = Awaited::nothing;
    pending_.clear();
}

// Whether a message has begun, and neither ended nor been given up.
bool Dialogue::is_open() const {
    const bool begun = phase_ == Phase::body || phase_ == Phase::chunk || phase_ == Phase::chunks;
    return begun && awaited_ == Awaited::nothing && refusal_.reply.empty();
}

void Dialogue::drop_message() {
    if (is_open()) {
        actions_.emplace_back(MessageAborted{});
    }
    forget_message();
}

void Dialogue::forget_message() {
    envelope_ = {};
    recipients_tried_ = false;
    refusal_ = {};
    if (phase_ != Phase::start && phase_ != Phase::closed) {
        phase_ = Phase::ready;
    }
}

}  // namespace sekisho::session
