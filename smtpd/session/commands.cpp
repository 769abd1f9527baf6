// SPDX-License-Identifier: Apache-2.0
// The table of commands: what each wants before it is carried out; and the short ones.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "smtpd/session/dialogue.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

// What every command line may be long, and what extensions add to MAIL: SIZE=, BODY= and AUTH= (RFC 1870, 3;
// RFC 6152, 2; RFC 4954, 3), RET= and ENVID= (RFC 3461, 4.3 and 4.4: 8 octets, and 100 behind its sign), and
// SMTPUTF8 (RFC 6531, 3.1); to
// RCPT: NOTIFY= and ORCPT= (4.1 and 4.2: 28 octets, and 500 behind its sign).
constexpr std::size_t ordinary = LineReader::always;
constexpr std::size_t with_parameters = ordinary + 26 + 17 + 500 + 9 + 107 + 10;
constexpr std::size_t with_wishes = ordinary + 29 + 507;

constexpr std::size_t longest_name = 255;
// As many commands that move nothing (NOOP, RSET, ...) are free between two messages; each further one counts
// as an error, for a connection is not a place to live in.
constexpr std::size_t free_commands = 100;

enum class Argument : std::uint8_t { none, possible, needed };

std::string_view verb_of(std::string_view line) {
    return line.substr(0, line.find(' '));
}

// Browsers and header fields: who sends those doesn't read our answers, so what follows is no SMTP, but may
// hold some (ALPACA; a message sent although DATA was refused).
bool is_foreign(std::string_view verb) {
    static constexpr std::array<std::string_view, 6> methods = {"GET",  "POST",    "PUT",
                                                                "HEAD", "OPTIONS", "CONNECT"};
    return verb.find(':') != std::string_view::npos ||
           std::ranges::any_of(methods, [verb](std::string_view each) { return same_word(each, verb); });
}

}  // namespace

struct Dialogue::Command {
    std::string_view verb;
    unsigned phases;  // where it is allowed
    Argument argument;
    bool idle;  // moves nothing
    std::size_t longest_line;
    std::string_view syntax;
    void (Dialogue::*handle)(std::string_view argument);

    [[nodiscard]] bool allowed(Phase phase) const { return (phases & static_cast<unsigned>(phase)) != 0; }
};

std::span<const Dialogue::Command> Dialogue::table() {
    static constexpr auto start = static_cast<unsigned>(Phase::start);
    static constexpr auto ready = static_cast<unsigned>(Phase::ready);
    static constexpr auto mail = static_cast<unsigned>(Phase::mail);
    static constexpr auto any = start | ready | mail | static_cast<unsigned>(Phase::chunks);
    using enum Argument;
    // clang-format off
    static constexpr std::array commands = {
        // verb       where          argument  idle   longest          syntax                          what
        Command{"EHLO", any,           needed,   true,  ordinary,        "EHLO name",                    &Dialogue::ehlo},
        Command{"HELO", any,           needed,   true,  ordinary,        "HELO name",                    &Dialogue::helo},
        Command{"STARTTLS", ready,     none,     false, ordinary,        "STARTTLS",                     &Dialogue::starttls},
        Command{"AUTH", ready,         needed,   true,  longest_auth,    "AUTH mechanism [response]",    &Dialogue::auth},
        Command{"MAIL", ready,         needed,   false, with_parameters, "MAIL FROM:<address>",          &Dialogue::mail},
        Command{"RCPT", mail,          needed,   false, with_wishes,     "RCPT TO:<address>",            &Dialogue::rcpt},
        Command{"DATA", mail,          none,     false, ordinary,        "DATA",                         &Dialogue::data},
        Command{"BDAT", any,           possible, false, ordinary,        "BDAT size [LAST]",             &Dialogue::bdat},
        Command{"RSET", any,           none,     true,  ordinary,        "RSET",                         &Dialogue::rset},
        Command{"NOOP", any,           possible, true,  ordinary,        "NOOP",                         &Dialogue::noop},
        Command{"VRFY", any,           needed,   true,  ordinary,        "VRFY address",                 &Dialogue::vrfy},
        Command{"XCLIENT", start | ready, needed, true, ordinary,      "XCLIENT attribute=value",      &Dialogue::xclient},
        Command{"HELP", any,           possible, true,  ordinary,        "HELP",                         &Dialogue::help},
        Command{"QUIT", any,           none,     false, ordinary,        "QUIT",                         &Dialogue::quit},
    };
    // clang-format on
    return commands;
}

const Dialogue::Command* Dialogue::find(std::string_view verb) {
    const auto commands = table();
    const auto place =
        std::ranges::find_if(commands, [verb](const Command& each) { return same_word(each.verb, verb); });
    return place == commands.end() ? nullptr : &*place;
}

std::size_t Dialogue::longest_command(std::string_view start) {
    const Command* command = find(verb_of(start));
    return command == nullptr ? ordinary : command->longest_line;
}

void Dialogue::command(std::string_view line) {
    line = line.substr(0, line.find_last_not_of(" \t") + 1);
    const std::string_view verb = verb_of(line);
    const Command* command = find(verb);
    if (command == nullptr) {
        is_foreign(verb) ? close("421 4.7.0 This is an SMTP server, closing the connection")
                         : refuse("500 5.5.1 Unknown command");
        return;
    }
    std::string_view argument = line.substr(verb.size());
    argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
    if (command->idle) {
        count_idle();
    }
    if (phase_ != Phase::closed && admit(*command, argument)) {
        (this->*command->handle)(argument);
    }
}

// What the table says about a command; the refusal is said.
bool Dialogue::admit(const Command& command, std::string_view argument) {
    if (!command.allowed(phase_)) {
        refuse_phase(command);
        return false;
    }
    if (command.argument != Argument::possible && argument.empty() != (command.argument == Argument::none)) {
        refuse("501 5.5.4 Syntax: " + std::string(command.syntax));
        return false;
    }
    return true;
}

void Dialogue::refuse_phase(const Command& command) {
    if (phase_ == Phase::start) {
        refuse("503 5.5.1 Say EHLO first");
    } else if (phase_ == Phase::chunks) {
        refuse("503 5.5.1 Not between the chunks of a message");
    } else if (command.allowed(Phase::mail)) {
        refuse("503 5.5.1 Say MAIL first");
    } else {
        refuse("503 5.5.1 Not within a mail transaction");
    }
}

void Dialogue::count_idle() {
    if (++idle_ > free_commands) {
        count_error();
    }
}

// The short commands

// Whether the client's name for itself will do. It only ever stands in the trace, so that it need not be a
// host's name: many a machine calls itself by what its owner has typed.
bool Dialogue::greet(std::string_view name) {
    if (name.size() > longest_name || name.find(' ') != std::string_view::npos) {
        refuse("501 5.5.4 One name, please, of up to 255 octets");
        return false;
    }
    state_.helo = name;
    std::ranges::replace_if(state_.helo, [](char octet) { return octet <= ' ' || octet > '~'; }, '?');
    drop_message();
    phase_ = Phase::ready;
    return true;
}

void Dialogue::helo(std::string_view argument) {
    if (greet(argument)) {
        state_.esmtp = false;
        say("250 " + settings_.hostname);
    }
}

void Dialogue::ehlo(std::string_view argument) {
    if (!greet(argument)) {
        return;
    }
    state_.esmtp = true;
    say("250-" + settings_.hostname + " greets " + settings_.client);
    say("250-SIZE " + std::to_string(settings_.largest_message));
    say("250-PIPELINING");
    say("250-8BITMIME");
    say("250-SMTPUTF8");
    say("250-CHUNKING");
    if (settings_.dsn) {
        say("250-DSN");
    }
    // RFC 9422, 3: only what is enforced, by the reply 452 to RCPT. Messages are as many as anybody likes.
    say("250-LIMITS RCPTMAX=" + std::to_string(settings_.recipients));
    if (settings_.tls_offered && !state_.tls) {
        say("250-STARTTLS");
    }
    const auto& offered = state_.tls ? settings_.mechanisms : settings_.clear_mechanisms;
    if (!offered.empty()) {
        std::string line = "250-AUTH";
        for (const std::string& mechanism : offered) {
            line += ' ' + mechanism;
        }
        say(line);
    }
    if (settings_.xclient) {
        say("250-XCLIENT ADDR PORT LOGIN DESTADDR DESTPORT");
    }
    say("250 ENHANCEDSTATUSCODES");
}

void Dialogue::starttls(std::string_view /*argument*/) {
    if (state_.tls) {
        refuse("503 5.5.1 TLS is active already");
        return;
    }
    if (!settings_.tls_offered) {
        refuse("502 5.5.1 STARTTLS is not offered");
        return;
    }
    say("220 2.0.0 Ready to start TLS");
    actions_.emplace_back(StartTls{});
    awaited_ = Awaited::handshake;
    phase_ = Phase::start;
    // RFC 3207, 4.2: what was learnt from the client is forgotten, a login too.
    state_.helo.clear();
    state_.esmtp = false;
    state_.user = settings_.user;
}

void Dialogue::rset(std::string_view /*argument*/) {
    drop_message();
    say("250 2.0.0 Ok");
}

void Dialogue::noop(std::string_view /*argument*/) {
    say("250 2.0.0 Ok");
}

// RFC 5321, 7.3: nobody learns from us who has a mailbox.
void Dialogue::vrfy(std::string_view /*argument*/) {
    say("252 2.0.0 Send some mail, and we'll try");
}

void Dialogue::help(std::string_view /*argument*/) {
    std::string line = "214 2.0.0";
    for (const Command& command : table()) {
        line += ' ';
        line += command.verb;
    }
    say(line);
}

void Dialogue::xclient(std::string_view argument) {
    if (!settings_.xclient) {
        return refuse("550 5.7.0 You speak for yourself here");
    }
    auto client = read_xclient(argument);
    if (!client) {
        return refuse("501 5.5.4 Bad attribute");
    }
    actions_.emplace_back(ClientNamed{std::move(*client)});
    phase_ = Phase::closed;
}

void Dialogue::quit(std::string_view /*argument*/) {
    close("221 2.0.0 " + settings_.hostname + " closes the connection");
}

}  // namespace sekisho::session
