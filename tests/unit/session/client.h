// SPDX-License-Identifier: Apache-2.0
// A session under test, as its client and its surroundings see it, in text.
#pragma once

#include <string>
#include <string_view>

#include "smtpd/session/session.h"

namespace sekisho::session {

// Actions as text: replies as they are, the others in brackets.
inline std::string text_of(const Actions& actions) {
    struct Writer {
        std::string text;
        void operator()(const Reply& action) { text += action.text; }
        void operator()(const StartTls& /*action*/) { text += "[StartTls]"; }
        void operator()(const Authenticate& action) {
            text += "[Authenticate " + action.mechanism + ' ' + action.initial.value_or("-") + ']';
        }
        void operator()(const AuthResponse& action) { text += "[AuthResponse " + action.response + ']'; }
        void operator()(const AuthCancelled& /*action*/) { text += "[AuthCancelled]"; }
        void operator()(const MessageBegun& action) {
            text += "[MessageBegun <" + action.sender + '>';
            for (const std::string& recipient : action.recipients) {
                text += " <" + recipient + '>';
            }
            text += action.eight_bit ? " 8BITMIME" : "";
            text += action.announced_size != 0 ? " SIZE=" + std::to_string(action.announced_size) : "";
            text += ']';
        }
        void operator()(const Body& action) { text += "[Body " + action.octets + ']'; }
        void operator()(const MessageEnded& /*action*/) { text += "[MessageEnded]"; }
        void operator()(const MessageAborted& /*action*/) { text += "[MessageAborted]"; }
        void operator()(const Close& /*action*/) { text += "[Close]"; }
    } writer;
    for (const Action& action : actions) {
        std::visit(writer, action);
    }
    return writer.text;
}

inline Settings example_settings() {
    Settings settings;
    settings.hostname = "mail.example.net";
    settings.client = "192.0.2.1";
    return settings;
}

// Port 465, before any login.
inline Settings inside_tls() {
    Settings settings = example_settings();
    settings.tls_active = true;
    return settings;
}

// Port 587, before STARTTLS.
inline Settings before_tls() {
    Settings settings = example_settings();
    settings.tls_offered = true;
    return settings;
}

// A network of trust.
inline Settings trusted() {
    Settings settings = example_settings();
    settings.login_required = false;
    return settings;
}

class Client {
public:
    explicit Client(Settings settings) : session(std::move(settings)) { static_cast<void>(session.begin()); }

    // Sends a line; what comes of it.
    std::string say(std::string_view line) { return text_of(session.receive(std::string(line) + "\r\n")); }
    std::string send(std::string_view octets) { return text_of(session.receive(octets)); }
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
};

}  // namespace sekisho::session
