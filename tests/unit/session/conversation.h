// SPDX-License-Identifier: Apache-2.0
// A client's octets, cut in any way, through a session whose surroundings always answer alike; and a second,
// naive reading of the same octets, which must have come to the same replies and messages.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtpd/session/session.h"
#include "tests/unit/session/client.h"

namespace sekisho::session {

// Octets that are sent before the surroundings answer anything.
using Flights = std::vector<std::string>;

struct Message {
    MessageBegun envelope;
    std::string body;  // empty if it was aborted
    enum class End { none, ended, aborted } end = End::none;
};

struct Outcome {
    std::string replies;
    std::vector<Message> messages;
    std::vector<std::string> others;  // actions that concern neither
    State state;
    bool closed = false;
    std::string wrong;  // what no session may ever do, and this one did
};

constexpr std::string_view good_plain = "AGEAYg==";  // a, b
constexpr std::string_view temporary_plain = "AGEAdA==";
constexpr std::string_view good_response = "Yg==";
constexpr std::string_view no_room = "452 4.3.1 No room";

// The reply to RCPT; empty: it may be.
inline std::string refusal_of_recipient(std::string_view recipient) {
    return recipient.starts_with("refuse@")  ? "550 5.1.1 No such mailbox"
           : recipient.starts_with("later@") ? "450 4.2.1 Not now"
                                             : "";
}

// Whether it says what the sender wants to hear of it (RFC 3461).
inline bool has_wishes(const MessageBegun& message) {
    return message.returned != message::Return::not_given || !message.envelope_id.empty() ||
           std::ranges::any_of(message.recipients, [](const message::Recipient& each) {
               return each.notify.given() || !each.original.empty();
           });
}

// What sekisho-smtpd would be, with fixed answers.
class Surroundings {
public:
    explicit Surroundings(const Example& settings) : settings_(settings), session_(settings) {
        take(session_.begin());
    }

    void receive(std::string_view octets) { take(session_.receive(octets)); }
    // A flight is over: answers until nothing is awaited any more.
    void answer() {
        while (session_.waiting() || named_) {
            take(named_ ? begin_anew() : answer_once());
        }
        if (settings_.full && is_coming()) {
            take(session_.message_refused(no_room));
        }
    }
    Outcome finish() {
        outcome_.state = session_.state();
        return std::move(outcome_);
    }

private:
    enum class Asked { nothing, handshake, login, keeping };

    Actions answer_once() {
        switch (std::exchange(asked_, Asked::nothing)) {
            case Asked::handshake:
                return session_.tls_started();
            case Asked::login:
                return answer_login();
            case Asked::keeping:
                return outcome_.messages.back().body.starts_with("refuse")
                           ? session_.message_refused(no_room)
                           : session_.message_kept("0123456789abcdef");
            case Asked::nothing:
                break;
        }
        complain("waits for nothing");
        return session_.give_up("4.3.0 broken");
    }

    // For the client that was named. What else came in this flight is nobody's.
    Actions begin_anew() {
        settings_.user = std::exchange(named_, std::nullopt)->user;
        settings_.tls_active = session_.state().tls;
        settings_.tls_offered = settings_.tls_offered && !settings_.tls_active;
        session_ = Session(settings_);
        return session_.begin();
    }

    Actions answer_login() {
        if (!response_ || (mechanism_ == "LOGIN" && responses_ == 1)) {
            return session_.auth_continued(responses_ == 0 ? "VXNlcm5hbWU6" : "UGFzc3dvcmQ6");
        }
        if (*response_ == temporary_plain) {
            return session_.auth_failed(AuthFailure::temporary);
        }
        return *response_ == good_plain || *response_ == good_response
                   ? session_.auth_succeeded("a")
                   : session_.auth_failed(AuthFailure::wrong);
    }

    // Addresses are judged at once: what is cut is not to be put together while they wait.
    void take(Actions actions) {
        while (!actions.empty()) {
            for (const Action& action : actions) {
                if (outcome_.closed) {
                    complain("acts after Close");
                }
                std::visit([this](const auto& each) { on(each); }, action);
            }
            const auto judged = std::exchange(judged_, std::nullopt);
            actions = !judged           ? Actions()
                      : judged->empty() ? session_.address_accepted()
                                        : session_.address_refused(*judged);
        }
    }

    void on(const Reply& reply) { outcome_.replies += reply.text; }
    void on(const StartTls& /*action*/) {
        asked_ = Asked::handshake;
        other("StartTls");
    }
    void on(const Authenticate& action) {
        const auto& offered = session_.state().tls ? settings_.mechanisms : settings_.clear_mechanisms;
        if (std::ranges::find(offered, action.mechanism) == offered.end()) {
            complain("takes a login that isn't offered");
        }
        asked_ = Asked::login;
        mechanism_ = action.mechanism;
        response_ = action.initial;
        responses_ = response_ ? 1 : 0;
        other("Authenticate " + action.mechanism + ' ' + action.initial.value_or("-"));
    }
    void on(const AuthResponse& action) {
        asked_ = Asked::login;
        response_ = action.response;
        responses_++;
        other("AuthResponse " + action.response);
    }
    void on(const AuthCancelled& /*action*/) { other("AuthCancelled"); }
    void on(const SenderGiven& /*action*/) { judged_ = settings_.refusal(session_.state()); }
    void on(const RecipientGiven& action) { judged_ = refusal_of_recipient(action.recipient); }
    void on(const MessageBegun& action) {
        if (is_coming()) {
            complain("begins a message inside of another");
        }
        if (action.recipients.empty() || action.recipients.size() > settings_.recipients) {
            complain("has no recipients or too many");
        }
        if (std::ranges::any_of(action.recipients, [](const message::Recipient& each) {
                return !refusal_of_recipient(each.address).empty();
            })) {
            complain("keeps a recipient who was refused");
        }
        if (!settings_.dsn && has_wishes(action)) {
            complain("obeys a stranger's wishes");
        }
        if (settings_.login_required && session_.state().user.empty()) {
            complain("takes mail without a login");
        }
        outcome_.messages.push_back({.envelope = action, .body = {}});
    }
    void on(const Body& action) {
        in_message();
        outcome_.messages.back().body += action.octets;
    }
    void on(const MessageEnded& /*action*/) {
        in_message();
        asked_ = Asked::keeping;
        outcome_.messages.back().end = Message::End::ended;
    }
    void on(const MessageAborted& /*action*/) {
        in_message();
        outcome_.messages.back().end = Message::End::aborted;
        outcome_.messages.back().body.clear();  // how much of it came depends on the cuts
    }
    void on(const ClientNamed& action) {
        if (!settings_.xclient) {
            complain("believes a stranger");
        }
        named_ = action.client;
        other("ClientNamed " + action.client.address.text() + ' ' + action.client.user);
    }
    void on(const Close& /*action*/) { outcome_.closed = true; }

    // A message that has neither ended nor been given up.
    [[nodiscard]] bool is_coming() const {
        return !outcome_.messages.empty() && outcome_.messages.back().end == Message::End::none;
    }
    void in_message() {
        if (!is_coming()) {
            complain("acts on a message outside of one");
            outcome_.messages.emplace_back();
        }
    }
    void other(std::string what) { outcome_.others.push_back(std::move(what)); }
    void complain(std::string_view what) { outcome_.wrong += std::string(what) + '\n'; }

    Example settings_;
    Session session_;
    Outcome outcome_;
    std::optional<std::string> judged_;  // an address; the refusal
    std::optional<NamedClient> named_;   // the connection goes on for it
    Asked asked_ = Asked::nothing;
    std::string mechanism_;
    std::optional<std::string> response_;
    std::size_t responses_ = 0;
};

// How many octets come next, at least 1, of so many that are left.
using Cutter = std::function<std::size_t(std::size_t left)>;

inline std::size_t whole(std::size_t left) {
    return left;
}

inline std::size_t octet_by_octet(std::size_t /*left*/) {
    return 1;
}

inline Outcome converse(const Example& settings, const Flights& flights, const Cutter& cut = whole) {
    Surroundings surroundings(settings);
    for (std::string_view flight : flights) {
        while (!flight.empty()) {
            const std::size_t size = std::min(cut(flight.size()), flight.size());
            surroundings.receive(flight.substr(0, size));
            flight.remove_prefix(size);
        }
        surroundings.answer();
    }
    return surroundings.finish();
}

// Where two outcomes of the same octets differ; empty if they don't.
inline std::string difference(const Outcome& one, const Outcome& other) {
    if (one.replies != other.replies) {
        return "replies:\n" + one.replies + "and:\n" + other.replies;
    }
    if (one.others != other.others || one.closed != other.closed) {
        return "actions";
    }
    const auto same = [](const Message& left, const Message& right) {
        return left.body == right.body && left.end == right.end &&
               left.envelope.sender == right.envelope.sender &&
               left.envelope.recipients == right.envelope.recipients &&
               left.envelope.eight_bit == right.envelope.eight_bit &&
               left.envelope.utf8 == right.envelope.utf8 &&
               left.envelope.announced_size == right.envelope.announced_size &&
               left.envelope.returned == right.envelope.returned &&
               left.envelope.envelope_id == right.envelope.envelope_id;
    };
    return std::ranges::equal(one.messages, other.messages, same) ? std::string() : "messages";
}

// What is wrong with replies as replies (RFC 5321, 4.2; RFC 2034, 4); empty if nothing is.
inline std::string ill_formed(std::string_view replies) {
    while (!replies.empty()) {
        const std::size_t end = replies.find("\r\n");
        const std::string_view line = replies.substr(0, end);
        if (end == std::string_view::npos || line.size() < 4 || line.size() > 510 ||
            !std::ranges::all_of(line, [](char octet) { return octet >= ' ' && octet <= '~'; }) ||
            line.find_first_not_of("0123456789") != 3 || (line[3] != ' ' && line[3] != '-')) {
            return "an ill-formed reply: " + std::string(line);
        }
        if ((line[0] == '4' || line[0] == '5') && (line[4] != line[0] || line[5] != '.')) {
            return "a refusal without enhanced code: " + std::string(line);
        }
        replies.remove_prefix(end + 2);
    }
    return {};
}

// The codes of all replies, those of many lines once.
inline std::vector<int> codes_of(std::string_view replies) {
    std::vector<int> codes;
    while (!replies.empty()) {
        if (replies[3] == ' ') {
            codes.push_back(std::stoi(std::string(replies.substr(0, 3))));
        }
        replies.remove_prefix(replies.find("\r\n") + 2);
    }
    return codes;
}

// The message that stands between DATA and its end, if it is one.
inline std::optional<std::string> unstuffed(std::string_view raw, std::uint64_t largest) {
    std::string message;
    while (!raw.empty()) {
        const std::size_t end = raw.find("\r\n");
        std::string_view line = raw.substr(0, end);
        raw.remove_prefix(end + 2);
        line.remove_prefix(line.starts_with('.') ? 1 : 0);
        if (line.size() > 998 ||
            line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
            return std::nullopt;
        }
        message += std::string(line) + "\r\n";
    }
    return message.size() > largest ? std::nullopt : std::optional(message);
}

// Whether these octets can begin a message that is sent in chunks, or, with its end, are one; then with a
// line end.
inline std::optional<std::string> chunked(std::string octets, bool whole, std::uint64_t largest) {
    if (whole && !octets.empty() && !octets.ends_with("\r\n")) {
        octets += octets.ends_with('\r') ? "x\r\n" : "\r\n";
    }
    std::string_view rest = octets;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
        if (end == std::string_view::npos && line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.size() > 998 ||
            line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
            return std::nullopt;
        }
    }
    return octets.size() > largest ? std::nullopt : std::optional(octets);
}

// Reads the client's octets a second time: lines, after a 354 a message up to CRLF.CRLF, and behind BDAT as
// many octets as it says, one reply each. Says where that isn't what the session did; empty if it is.
class SecondReader {
public:
    SecondReader(Example settings, const Flights& flights, const Outcome& outcome)
        : settings_(std::move(settings)), outcome_(outcome) {
        for (const std::string& flight : flights) {
            stream_ += flight;
            flights_end_.push_back(stream_.size());
        }
    }

    std::string complaint() {
        if (std::string what = outcome_.wrong + ill_formed(outcome_.replies); !what.empty()) {
            return what;
        }
        codes_ = codes_of(outcome_.replies);
        if (codes_.empty() || codes_.front() != 220) {
            return "no banner";
        }
        next_ = 1;
        while (more_) {
            if (std::string what = step(); !what.empty()) {
                return what;
            }
        }
        return next_ == codes_.size() ? std::string() : "more replies than there was reason for";
    }

private:
    // A line or a message, and its reply.
    std::string step() {
        const std::string_view left = std::string_view(stream_).substr(place_);
        const std::string from_line_end = "\r\n" + std::string(left);
        const std::size_t end = in_message_ ? from_line_end.find("\r\n.\r\n") : left.find("\r\n");
        if (end == std::string_view::npos) {
            more_ = false;
            return {};
        }
        const std::string_view line = in_message_ || in_login_ ? std::string_view() : left.substr(0, end);
        const auto size = size_of_chunk(line);
        if (size && *size > left.size() - end - 2) {
            more_ = false;
            return {};
        }
        if (next_ == codes_.size()) {
            return "no reply to what ends at octet " + std::to_string(place_ + end);
        }
        const int code = codes_[next_++];
        const std::size_t behind = place_ + end + 2;
        std::string what = refuse_between(behind);
        if (!what.empty()) {
            return what;
        }
        if (in_message_) {
            what = judge(left.substr(0, end), refused_within(place_, behind + 1), code);
        } else if (size) {
            what =
                judge_chunk(line, left.substr(end + 2, *size), refused_within(behind, behind + *size), code);
        } else {
            what = follow(line, code);
        }
        place_ += end + (in_message_ ? 3 : 2) + size.value_or(0);
        in_message_ = code == 354;
        in_login_ = code == 334;
        if (code == 220) {
            place_ = *std::ranges::lower_bound(flights_end_, place_);
        }
        // Behind its reply, or in place of it.
        const bool last_word = next_ + 1 == codes_.size() && codes_[next_] == 421;
        next_ += last_word ? 1 : 0;
        more_ = !last_word && code != 221 && code != 421;
        return what;
    }

    static bool is(std::string_view line, std::string_view verb) {
        const std::string_view word = line.substr(0, line.find(' '));
        return std::ranges::equal(word, verb, {}, [](char c) { return static_cast<char>(c & ~' '); });
    }

    // Nothing for what is no BDAT, or can't be read; the connection ends there.
    static std::optional<std::size_t> size_of_chunk(std::string_view line) {
        if (!is(line, "BDAT") || line.size() > 510 ||
            line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
            return std::nullopt;
        }
        line.remove_prefix(std::min(line.find_first_not_of(' ', 4), line.size()));
        line = line.substr(0, line.find_first_of(" \t"));
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
        return error == std::errc() && end == line.data() + line.size() ? std::optional(number)
                                                                        : std::nullopt;
    }

    // Whether a flight ends there, and a message that is coming with it.
    [[nodiscard]] bool refused_within(std::size_t begin, std::size_t end) const {
        const auto flight = std::ranges::lower_bound(flights_end_, begin);
        return settings_.full && flight != flights_end_.end() && *flight < end;
    }

    // A message between two of its chunks, before the line that ends there.
    std::string refuse_between(std::size_t behind) {
        if (!open_ || !refused_within(place_, behind)) {
            return {};
        }
        open_ = false;
        failed_ = true;
        return next_message().end == Message::End::aborted ? "" : "a refused message was kept";
    }

    // What lines mean for a message that may come in chunks.
    std::string follow(std::string_view line, int code) {
        const bool good = code == 250;
        const bool greeting = is(line, "EHLO") || is(line, "HELO");
        recipients_ = recipients_ || (good && is(line, "RCPT"));
        if (code == 354 || code == 220 || (good && (greeting || is(line, "RSET")))) {
            recipients_ = false;
            failed_ = false;
            extended_ = good && greeting ? is(line, "EHLO") : extended_ && code != 220;
            if (std::exchange(open_, false) && next_message().end != Message::End::aborted) {
                return "a message without a last chunk was accepted";
            }
        }
        return {};
    }

    std::string judge_chunk(std::string_view line, std::string_view octets, bool refused, int code) {
        line = line.substr(0, line.find_last_not_of(" \t") + 1);
        // Behind the verb and the number: nothing, or one word.
        const std::size_t number = std::min(line.find_first_not_of(' ', 4), line.size());
        const std::size_t blank = std::min(line.find(' ', number), line.size());
        const std::string_view word = line.substr(std::min(line.find_first_not_of(' ', blank), line.size()));
        const bool last = is(word, "LAST") && word.size() == 4;
        const bool well = last || word.empty();
        if (failed_) {
            failed_ = !last;
            return code >= 400 ? std::string() : "more of a bad message was accepted";
        }
        if (!open_ && !(well && recipients_ && extended_)) {
            return code >= 400 ? std::string() : "a chunk of nothing was accepted";
        }
        chunks_ = (std::exchange(open_, true) ? chunks_ : std::string()).append(octets);
        recipients_ = false;
        const auto message =
            well && !refused ? chunked(chunks_, last, settings_.largest_message) : std::nullopt;
        if (message && !last) {
            return code == 250 ? std::string() : "a good chunk was refused";
        }
        open_ = false;
        failed_ = !last;
        const Message& seen = next_message();
        if (seen.end != (message ? Message::End::ended : Message::End::aborted)) {
            return message ? "a good message was refused" : "a bad message was accepted";
        }
        if (message && seen.body != *message) {
            return "a message was changed";
        }
        return (code < 400) == (message && !message->starts_with("refuse")) ? std::string() : "a wrong reply";
    }

    const Message& next_message() {
        static const Message missing;
        return messages_ < outcome_.messages.size() ? outcome_.messages[messages_++] : missing;
    }

    std::string judge(std::string_view raw, bool refused, int code) {
        const auto message = refused ? std::nullopt : unstuffed(raw, settings_.largest_message);
        if (messages_ >= outcome_.messages.size()) {
            return "a message is missing";
        }
        const Message& seen = outcome_.messages[messages_++];
        if (seen.end != (message ? Message::End::ended : Message::End::aborted)) {
            return message ? "a good message was refused" : "a bad message was accepted";
        }
        if (message && seen.body != *message) {
            return "a message was changed";
        }
        return (code < 400) == (message && !message->starts_with("refuse")) ? std::string() : "a wrong reply";
    }

    Example settings_;
    const Outcome& outcome_;
    std::string stream_;
    std::vector<std::size_t> flights_end_;
    std::vector<int> codes_;
    std::size_t next_ = 0;      // reply
    std::size_t place_ = 0;     // in the stream
    std::size_t messages_ = 0;  // seen
    bool in_message_ = false;
    bool in_login_ = false;
    bool extended_ = false;    // by EHLO
    bool recipients_ = false;  // of a message that may begin
    bool open_ = false;        // a message is coming in chunks
    bool failed_ = false;      // was, and more of it may come
    std::string chunks_;
    bool more_ = true;
};

inline std::string second_reading(const Example& settings, const Flights& flights, const Outcome& outcome) {
    return SecondReader(settings, flights, outcome).complaint();
}

}  // namespace sekisho::session
