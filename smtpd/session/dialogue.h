// SPDX-License-Identifier: Apache-2.0
// The machine behind Session: where a connection stands, and what each command does to that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "smtpd/session/body_reader.h"
#include "smtpd/session/line_reader.h"
#include "smtpd/session/session.h"

namespace sekisho::session {

// Of a challenge's answer, in octets without its line end (RFC 4954, 4).
constexpr std::size_t longest_base64 = 12'288;
// Of AUTH, with its line end: it may have an initial response.
constexpr std::size_t longest_auth = LineReader::always + longest_base64;

class Dialogue {
public:
    explicit Dialogue(Settings settings);

    // As in Session.
    [[nodiscard]] Actions begin();
    [[nodiscard]] Actions receive(std::string_view bytes);
    void offer(std::vector<std::string> mechanisms) { settings_.mechanisms = std::move(mechanisms); }
    [[nodiscard]] Actions tls_started();
    [[nodiscard]] Actions auth_continued(std::string_view challenge);
    [[nodiscard]] Actions auth_succeeded(std::string user);
    [[nodiscard]] Actions auth_failed(AuthFailure failure);
    [[nodiscard]] Actions address_accepted();
    [[nodiscard]] Actions address_refused(std::string_view reply);
    [[nodiscard]] Actions message_kept(std::string_view id);
    [[nodiscard]] Actions message_refused(std::string_view reply);
    [[nodiscard]] bool waiting() const { return awaited_ != Awaited::nothing; }
    [[nodiscard]] bool receiving() const { return phase_ == Phase::body || phase_ == Phase::chunk; }
    [[nodiscard]] Actions give_up(std::string_view text);
    [[nodiscard]] const State& state() const { return state_; }

private:
    enum class Phase : std::uint8_t {
        start = 1U << 0,     // no EHLO yet
        ready = 1U << 1,     // between two messages
        mail = 1U << 2,      // after MAIL
        response = 1U << 3,  // the next line answers a challenge
        body = 1U << 4,      // the next octets are a message
        chunk = 1U << 5,     // the next octets are what BDAT has announced
        chunks = 1U << 6,    // between two chunks of a message
        closed = 1U << 7,
    };
    enum class Awaited : std::uint8_t { nothing, handshake, login, sender, recipient, keeping };
    struct Command;  // a row of the table
    struct Chunk {
        std::uint64_t size = 0;
        std::uint64_t left = 0;  // of its octets
        bool last = false;
        Phase behind = Phase::closed;  // where the connection will stand
    };
    // Why what comes is thrown away, said behind its end. No reply: it isn't.
    struct Refusal {
        std::string reply;
        bool error = false;  // counts as one
    };

    // dialogue.cpp: octets in, actions out
    void read(std::string_view input);
    void read_line(std::string_view& input);
    void bad_line(const LineReader::Line& line);
    bool is_awaited(Awaited what);
    Actions answered();
    Actions take_actions();
    void say(std::string_view line);
    void refuse(std::string_view line);
    void count_error();
    void close(std::string_view line);
    void forget_message();
    void drop_message();
    [[nodiscard]] bool is_open() const;

    // commands.cpp: the table
    static std::span<const Command> table();
    static const Command* find(std::string_view verb);
    static std::size_t longest_command(std::string_view start);
    void command(std::string_view line);
    bool admit(const Command& command, std::string_view argument);
    void refuse_phase(const Command& command);
    void count_idle();
    void ehlo(std::string_view argument);
    void helo(std::string_view argument);
    bool greet(std::string_view name);
    void starttls(std::string_view argument);
    void rset(std::string_view argument);
    void noop(std::string_view argument);
    void vrfy(std::string_view argument);
    void help(std::string_view argument);
    void xclient(std::string_view argument);
    void quit(std::string_view argument);

    // login.cpp: AUTH
    static std::size_t longest_response(std::string_view start);
    void auth(std::string_view argument);
    void auth_response(std::string_view line);
    void bad_response(LineReader::Kind kind);
    void end_response(std::string_view reply);

    // mail.cpp: a message
    void mail(std::string_view argument);
    void rcpt(std::string_view argument);
    void data(std::string_view argument);
    void read_body(std::string_view& input);
    void read_octets(std::string_view& input);
    void pass(Body piece);
    void abort_message(std::string_view reply, bool error);
    void end_message();

    // chunks.cpp: a message in pieces
    void bdat(std::string_view argument);
    [[nodiscard]] std::string_view no_chunk() const;
    void begin_chunk(std::string_view refusal);
    void read_chunk(std::string_view& input);
    void end_chunk();
    void refuse_chunk();

    Settings settings_;
    State state_;
    Phase phase_ = Phase::start;
    Awaited awaited_ = Awaited::nothing;
    LineReader lines_;
    std::string pending_;  // received while an answer is awaited
    Actions actions_;
    std::size_t idle_ = 0;  // commands since the last message that moved nothing

    MessageBegun envelope_;
    bool recipients_tried_ = false;
    BodyReader body_{0};  // begun anew by each DATA, and by the first BDAT of a message
    Chunk chunk_;
    Refusal refusal_;
};

}  // namespace sekisho::session
