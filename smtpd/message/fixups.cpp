// SPDX-License-Identifier: Apache-2.0
// Line by line through the header, untouched through the body. What is missing goes to the header's end, so
// that nothing waits but the line that is being read.
#include "smtpd/message/fixups.h"

#include <utility>

#include "smtpd/message/domain.h"
#include "smtpd/message/header_line.h"

namespace sekisho::message {

namespace {

constexpr std::size_t largest_header = std::size_t{256} * 1024;
constexpr std::size_t most_hops = 50;
constexpr std::string_view line_end = "\r\n";

// By time and id it is ours alone (RFC 5322, 3.6.4).
std::string message_id_field(const Trace& trace) {
    return "Message-ID: <" + std::to_string(trace.received.time_since_epoch().count()) + '.' + trace.id +
           '@' + trace.hostname + ">\r\n";
}

}  // namespace

struct Fixups::State {
    State(Trace message_trace, Duty message_duty) : trace(std::move(message_trace)), duty(message_duty) {}

    [[nodiscard]] HeaderLine kind_of(std::string_view text) const;
    Result<void> take_line(std::string_view line, std::string& out);
    void pass_field(HeaderLine kind, std::string_view line, std::string& out);
    void begin(std::string& out);
    void end_header(std::string& out);

    Trace trace;
    Duty duty;
    std::string line;  // the beginning of one that isn't complete
    std::size_t octets = 0;
    std::size_t hops = 0;
    bool begun = false;
    bool in_header = true;
    bool dropping = false;  // the field being read
    bool has_field = false;
    bool has_date = false;
    bool has_message_id = false;
    bool ascii = true;        // the header
    bool whole_ascii = true;  // the message
};

void Fixups::State::begin(std::string& out) {
    if (!std::exchange(begun, true)) {
        out += received_field(trace);
    }
}

// Whatever comes behind is the body, with the empty line before it or without.
void Fixups::State::end_header(std::string& out) {
    in_header = false;
    if (!has_date && duty == Duty::submission) {
        out += "Date: " + date_text(trace.received) + "\r\n";
    }
    if (!has_message_id && duty == Duty::submission) {
        out += message_id_field(trace);
    }
    out += line_end;
}

// There is nothing that the first line could continue.
HeaderLine Fixups::State::kind_of(std::string_view text) const {
    const HeaderLine kind = classify(text);
    return kind == HeaderLine::continuation && !has_field ? HeaderLine::no_field : kind;
}

// A line of the header: complete, or the last of the message.
Result<void> Fixups::State::take_line(std::string_view text, std::string& out) {
    octets += text.size();
    if (octets > largest_header) {
        return fail(Failure::refused, "554 5.6.0 Message header over 256 KiB");
    }
    const HeaderLine kind = kind_of(text);
    if (kind == HeaderLine::received && ++hops > most_hops) {
        return fail(Failure::refused, "554 5.4.6 Too many hops");
    }
    if (kind == HeaderLine::end || kind == HeaderLine::no_field) {
        end_header(out);
        out += kind == HeaderLine::end ? std::string_view() : text;
        return {};
    }
    pass_field(kind, text, out);
    return {};
}

void Fixups::State::pass_field(HeaderLine kind, std::string_view text, std::string& out) {
    has_field = true;
    ascii = ascii && message::is_ascii(text);
    if (kind != HeaderLine::continuation) {
        dropping =
            duty == Duty::submission && (kind == HeaderLine::blind_copy || kind == HeaderLine::return_path);
    }
    has_date = has_date || kind == HeaderLine::date;
    has_message_id = has_message_id || kind == HeaderLine::message_id;
    if (!dropping) {
        out += text;
    }
}

Fixups::Fixups(Trace trace, Duty duty) : state_(std::make_unique<State>(std::move(trace), duty)) {}
Fixups::Fixups(Fixups&&) noexcept = default;
Fixups& Fixups::operator=(Fixups&&) noexcept = default;
Fixups::~Fixups() = default;

Result<std::string> Fixups::feed(std::string_view octets) {
    std::string out;
    out.reserve(octets.size());
    state_->whole_ascii = state_->whole_ascii && message::is_ascii(octets);
    state_->begin(out);
    while (state_->in_header && !octets.empty()) {
        const std::size_t end = octets.find('\n');
        const std::string_view piece = octets.substr(0, end == std::string_view::npos ? end : end + 1);
        octets.remove_prefix(piece.size());
        state_->line += piece;
        if (end == std::string_view::npos) {
            // It counts although it may turn out to be no line of the header: there is no end in sight.
            return state_->octets + state_->line.size() > largest_header
                       ? Result<std::string>(fail(Failure::refused, "554 5.6.0 Message header over 256 KiB"))
                       : Result<std::string>(std::move(out));
        }
        if (auto taken = state_->take_line(std::exchange(state_->line, {}), out); !taken) {
            return std::unexpected(taken.error());
        }
    }
    out += octets;
    return out;
}

bool Fixups::header_is_ascii() const {
    return state_->ascii;
}

bool Fixups::is_ascii() const {
    return state_->whole_ascii;
}

Result<std::string> Fixups::finish() {
    std::string out;
    state_->begin(out);
    if (!state_->in_header) {
        return out;
    }
    if (!state_->line.empty()) {
        // A field without a line end gets one: something comes behind it.
        if (state_->kind_of(state_->line) != HeaderLine::no_field) {
            state_->line += line_end;
        }
        if (auto taken = state_->take_line(std::exchange(state_->line, {}), out); !taken) {
            return std::unexpected(taken.error());
        }
    }
    if (state_->in_header) {
        state_->end_header(out);
    }
    return out;
}

}  // namespace sekisho::message
