// SPDX-License-Identifier: Apache-2.0
// A session under test, as its client and its surroundings see it, in text.
#pragma once

#include <malloc.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "smtpd/session/session.h"

namespace sekisho::session {

// What the session knows, and who may send, which somebody else decides.
struct Example : Settings {
    bool login_required = true;  // false: a network of trust
    bool full = false;           // there is no room for a message that is still coming when a flight ends

    // The reply to MAIL; empty: it may be.
    [[nodiscard]] std::string refusal(const State& state) const {
        if (!login_required || !state.user.empty()) {
            return {};
        }
        return !state.tls && tls_offered ? "530 5.7.0 Must issue a STARTTLS command first"
                                         : "530 5.7.0 Authentication required";
    }
};

struct ActionText {
    std::string operator()(const Reply& action) const { return action.text; }
    std::string operator()(const StartTls& /*action*/) const { return "[StartTls]"; }
    std::string operator()(const Authenticate& action) const {
        return "[Authenticate " + action.mechanism + ' ' + action.initial.value_or("-") + ']';
    }
    std::string operator()(const AuthResponse& action) const {
        return "[AuthResponse " + action.response + ']';
    }
    std::string operator()(const AuthCancelled& /*action*/) const { return "[AuthCancelled]"; }
    std::string operator()(const SenderGiven& action) const { return "[SenderGiven " + action.sender + ']'; }
    std::string operator()(const RecipientGiven& action) const {
        return "[RecipientGiven " + action.recipient + ']';
    }
    std::string operator()(const MessageBegun& action) const {
        std::string text = "[MessageBegun <" + action.sender + '>';
        for (const message::Recipient& recipient : action.recipients) {
            text += " <" + recipient.address + '>';
            text += recipient.notify.given() ? " NOTIFY=" + recipient.notify.text() : "";
            text += recipient.original.empty() ? "" : " ORCPT=" + recipient.original;
        }
        text += action.returned == message::Return::not_given ? "" : " RET=";
        text += message::text_of(action.returned);
        text += action.envelope_id.empty() ? "" : " ENVID=" + action.envelope_id;
        text += action.eight_bit ? " 8BITMIME" : "";
        text += action.utf8 ? " SMTPUTF8" : "";
        text += action.announced_size != 0 ? " SIZE=" + std::to_string(action.announced_size) : "";
        return text + ']';
    }
    std::string operator()(const Body& action) const { return "[Body " + action.octets + ']'; }
    std::string operator()(const MessageEnded& /*action*/) const { return "[MessageEnded]"; }
    std::string operator()(const MessageAborted& /*action*/) const { return "[MessageAborted]"; }
    std::string operator()(const ClientNamed& action) const {
        return "[ClientNamed " + action.client.address.text() + ' ' + action.client.user + ']';
    }
    std::string operator()(const Close& /*action*/) const { return "[Close]"; }
};

// Actions as text: replies as they are, the others in brackets.
inline std::string text_of(const Actions& actions) {
    std::string text;
    for (const Action& action : actions) {
        text += std::visit(ActionText{}, action);
    }
    return text;
}

inline Example example_settings() {
    Example settings;
    settings.hostname = "mail.example.net";
    settings.postmaster_domain = "example.net";
    settings.client = "192.0.2.1";
    return settings;
}

// Port 465, before any login.
inline Example inside_tls() {
    Example settings = example_settings();
    settings.tls_active = true;
    return settings;
}

// Port 587, before STARTTLS.
inline Example before_tls() {
    Example settings = example_settings();
    settings.tls_offered = true;
    return settings;
}

// A network of trust.
inline Example trusted() {
    Example settings = example_settings();
    settings.login_required = false;
    return settings;
}

// Memory that is taken at the moment; under a sanitizer always the same.
inline std::size_t octets_in_use() {
    return ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
}

class Client {
public:
    explicit Client(const Example& settings) : session(settings), example_(settings) {
        static_cast<void>(session.begin());
    }

    // Sends a line; what comes of it.
    std::string say(std::string_view line) { return send(std::string(line) + "\r\n"); }
    std::string send(std::string_view octets) { return after(session.receive(octets)); }
    // What comes of these actions, when the addresses among them have been judged.
    std::string after(Actions actions) {
        std::string text;
        while (!actions.empty()) {
            text += text_of(actions);
            const bool sender = std::holds_alternative<SenderGiven>(actions.back());
            if (!sender && !std::holds_alternative<RecipientGiven>(actions.back())) {
                break;
            }
            text.resize(text.rfind('['));
            const std::string refusal = sender ? example_.refusal(session.state()) : std::string();
            actions = refusal.empty() ? session.address_accepted() : session.address_refused(refusal);
        }
        return text;
    }
    void log_in() {
        static_cast<void>(say("EHLO client.example.com"));
        static_cast<void>(say("AUTH PLAIN AGEAYg=="));
        static_cast<void>(session.auth_succeeded("a"));
    }
    // Up to the 354.
    void begin_message() {
        static_cast<void>(say("EHLO client.example.com"));
        static_cast<void>(say("MAIL FROM:<alice@example.com>"));
        static_cast<void>(say("RCPT TO:<bob@example.org>"));
        static_cast<void>(say("DATA"));
    }

    Session session;

private:
    Example example_;
};

}  // namespace sekisho::session
