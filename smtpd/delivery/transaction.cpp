// SPDX-License-Identifier: Apache-2.0
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include "smtpd/delivery/transaction.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sekisho::delivery {

namespace {

using std::chrono::minutes;

// RFC 5321, 4.5.3.2.
constexpr minutes greeting_limit{5};
constexpr minutes command_limit{5};
constexpr minutes data_limit{2};
constexpr minutes end_limit{10};

constexpr std::size_t piece = std::size_t{64} * 1024;

}  // namespace

std::string DotStuffer::feed(std::string_view octets) {
    std::string out;
    out.reserve(octets.size() + 16);
    while (!octets.empty()) {
        if (line_begins_ && octets.front() == '.') {
            out += '.';
        }
        const std::size_t end = octets.find('\n');
        const std::size_t size = end == std::string_view::npos ? octets.size() : end + 1;
        out += octets.substr(0, size);
        line_begins_ = end != std::string_view::npos;
        last_ = octets[size - 1];
        octets.remove_prefix(size);
    }
    return out;
}

std::string DotStuffer::finish() const {
    return last_ == '\n' ? ".\r\n" : "\r\n.\r\n";
}

Transaction::Transaction(Conversation& conversation, const Consignment& consignment, Protocol protocol,
                         std::string hostname, std::string host)
    : conversation_(conversation),
      consignment_(consignment),
      protocol_(protocol),
      hostname_(std::move(hostname)),
      host_(std::move(host)),
      outcomes_(consignment.envelope.recipients.size()),
      accepted_(consignment.envelope.recipients.size(), true) {}

std::chrono::seconds Transaction::limit(std::chrono::minutes usual) const {
    return consignment_.question ? question_limit : std::chrono::seconds(usual);
}

Outcome Transaction::outcome(const Reply& reply) const {
    return {.fate = reply.positive()    ? Fate::delivered
                    : reply.permanent() ? Fate::failed
                                        : Fate::deferred,
            .host = host_,
            .text = reply.text(),
            .status = reply.status(),
            .tls = conversation_.tls_text(),
            .dsn = extensions_.offers("DSN"),
            .mailbox = protocol_ == Protocol::lmtp};
}

void Transaction::all(const Reply& reply) {
    all(outcome(reply));
}

void Transaction::all(const Outcome& outcome) {
    for (std::size_t i = 0; i < outcomes_.size(); i++) {
        if (accepted_[i]) {
            outcomes_[i] = outcome;
        }
    }
}

void Transaction::broken(const Error& error) {
    broken_ = true;
    all({.fate = Fate::deferred,
         .host = host_,
         .text = error.what,
         .status = "4.4.2",
         .tls = conversation_.tls_text()});
}

void Transaction::end_with(std::string_view command, const Reply& reply) {
    if (reply.temporary() || reply.permanent()) {
        all(reply);
        return;
    }
    // "250" to DATA has kept nothing: it must not look like success.
    all({.fate = Fate::deferred,
         .host = host_,
         .text = "no answer to " + std::string(command) + ": \"" + reply.text() + "\"",
         .status = "4.5.0",
         .tls = conversation_.tls_text()});
}

// 554 at the door (RFC 5321, 3.1) is the host's word, not the mailbox's: another host may think otherwise, or
// this one later.
void Transaction::turned_away(std::string_view command, const Reply& reply) {
    end_with(command, reply);
    for (Outcome& each : outcomes_) {
        each.fate = Fate::deferred;
    }
}

boost::asio::awaitable<std::vector<Outcome>> Transaction::run(boost::asio::ssl::context* tls,
                                                              const std::string& server_name) {
    bool good = co_await greet();
    if (good) {
        good = co_await hello();
    }
    if (good) {
        good = co_await secure(tls, server_name);
    }
    if (good) {
        good = co_await mail();
    }
    if (good) {
        good = co_await recipients();
    }
    if (good && !consignment_.question) {
        static_cast<void>(co_await data());
    }
    // Its reply is nothing to wait for. On a connection that is stuck, or within DATA, it would be wrong.
    if (!broken_) {
        static_cast<void>(co_await conversation_.write("QUIT\r\n"));
    }
    co_return outcomes_;
}

boost::asio::awaitable<bool> Transaction::greet() {
    const auto said = co_await conversation_.reply(limit(greeting_limit));
    if (!said) {
        broken(said.error());
        co_return false;
    }
    if (!said->positive()) {
        turned_away("the connection", *said);
        co_return false;
    }
    co_return true;
}

boost::asio::awaitable<bool> Transaction::hello() {
    // RFC 2033, 4.1: EHLO and HELO aren't LMTP's.
    const bool lmtp = protocol_ == Protocol::lmtp;
    std::string command = (lmtp ? "LHLO " : "EHLO ") + hostname_;
    auto said = co_await conversation_.ask(std::move(command), limit(command_limit));
    if (said && said->permanent() && !lmtp) {
        said = co_await conversation_.ask("HELO " + hostname_, limit(command_limit));
        if (said && said->positive()) {
            said->lines.resize(1);  // no extensions
        }
    }
    if (!said) {
        broken(said.error());
        co_return false;
    }
    if (!said->positive()) {
        turned_away(lmtp ? "LHLO" : "EHLO", *said);
        co_return false;
    }
    extensions_ = *said;
    co_return true;
}

boost::asio::awaitable<bool> Transaction::secure(boost::asio::ssl::context* tls,
                                                 const std::string& server_name) {
    if (tls == nullptr || !extensions_.offers("STARTTLS")) {
        co_return true;
    }
    const auto said = co_await conversation_.ask("STARTTLS", limit(command_limit));
    if (!said) {
        tls_failed_ = true;
        broken(said.error());
        co_return false;
    }
    constexpr int ready = 220;
    constexpr int closing = 421;
    if (said->code == closing) {
        tls_failed_ = true;
        end_with("STARTTLS", *said);
        co_return false;
    }
    if (said->code != ready) {
        co_return true;  // offered and refused: in the clear then, which was so without the offer, too
    }
    const auto done = co_await conversation_.start_tls(*tls, server_name);
    if (!done) {
        tls_failed_ = true;
        broken(done.error());
        co_return false;
    }
    const bool good = co_await hello();
    // In TLS 1.3 the server's end of the handshake may fail when ours is long done.
    tls_failed_ = !good && broken_;
    co_return good;
}

boost::asio::awaitable<bool> Transaction::mail() {
    std::string command = "MAIL FROM:<" + consignment_.envelope.sender + ">";
    if (extensions_.offers("SIZE")) {
        command += " SIZE=" + std::to_string(consignment_.size);
    }
    if (consignment_.envelope.eight_bit && extensions_.offers("8BITMIME")) {
        command += " BODY=8BITMIME";
    }
    if (consignment_.envelope.utf8) {
        if (!extensions_.offers("SMTPUTF8")) {
            all({.fate = Fate::failed,  // RFC 6531, 3.5
                 .host = host_,
                 .text = "the mail host takes no addresses or headers outside of ASCII (SMTPUTF8)",
                 .status = "5.6.7",
                 .tls = conversation_.tls_text()});
            co_return false;
        }
        command += " SMTPUTF8";
    }
    // RFC 3461, 5.2.1: what was given, as it was given, and nothing else; to others (5.2.2) none of it.
    const message::Envelope& envelope = consignment_.envelope;
    if (envelope.returned != message::Return::not_given && extensions_.offers("DSN")) {
        command.append(" RET=").append(message::text_of(envelope.returned));
    }
    if (!envelope.envelope_id.empty() && extensions_.offers("DSN")) {
        command += " ENVID=" + envelope.envelope_id;
    }
    const auto said = co_await conversation_.ask(std::move(command), limit(command_limit));
    if (!said) {
        broken(said.error());
        co_return false;
    }
    if (!said->positive()) {
        // The mailbox that was asked for has nothing to do with it.
        consignment_.question ? turned_away("MAIL", *said) : end_with("MAIL", *said);
        co_return false;
    }
    co_return true;
}

std::string Transaction::rcpt_command(const message::Recipient& recipient) const {
    std::string command = "RCPT TO:<" + recipient.address + ">";
    if (recipient.notify.given() && extensions_.offers("DSN")) {
        command += " NOTIFY=" + recipient.notify.text();
    }
    if (!recipient.original.empty() && extensions_.offers("DSN")) {
        command += " ORCPT=" + recipient.original;
    }
    return command;
}

boost::asio::awaitable<bool> Transaction::recipients() {
    const auto& all_of_them = consignment_.envelope.recipients;
    for (std::size_t i = 0; i < all_of_them.size(); i++) {
        const auto said = co_await conversation_.ask(rcpt_command(all_of_them[i]), limit(command_limit));
        if (!said) {
            broken(said.error());
            co_return false;
        }
        if (!said->positive() && !said->permanent() && !said->temporary()) {
            end_with("RCPT", *said);
            co_return false;
        }
        outcomes_[i] = outcome(*said);
        accepted_[i] = said->positive();
    }
    co_return std::ranges::find(accepted_, true) != accepted_.end();
}

boost::asio::awaitable<bool> Transaction::data() {
    const auto said = co_await conversation_.ask("DATA", data_limit);
    if (!said) {
        broken(said.error());
        co_return false;
    }
    constexpr int go_on = 354;
    if (said->code != go_on) {
        end_with("DATA", *said);
        co_return false;
    }
    const bool sent = co_await body();
    if (!sent) {
        co_return false;
    }
    if (protocol_ == Protocol::lmtp) {
        co_await for_each();
    } else {
        co_await for_all();
    }
    co_return true;
}

boost::asio::awaitable<void> Transaction::for_all() {
    const auto end = co_await conversation_.reply(end_limit);
    if (!end) {
        broken(end.error());
    } else if (end->positive()) {
        all(*end);
    } else {
        end_with("the message", *end);
    }
}

// RFC 2033, 4.2: one reply for each RCPT that succeeded, in their order. Who has theirs keeps it, whatever
// becomes of the connection.
boost::asio::awaitable<void> Transaction::for_each() {
    for (std::size_t i = 0; i < accepted_.size(); i++) {
        if (!accepted_[i]) {
            continue;
        }
        const auto end = co_await conversation_.reply(end_limit);
        if (!end) {
            broken(end.error());
            co_return;
        }
        outcomes_[i] = outcome(*end);
        if (!end->positive() && !end->temporary() && !end->permanent()) {
            outcomes_[i].fate = Fate::deferred;
        }
        accepted_[i] = false;
    }
}

boost::asio::awaitable<bool> Transaction::body() {
    DotStuffer stuffer;
    for (std::uint64_t at = 0; at < consignment_.size;) {
        const auto part = consignment_.body(at, piece);
        if (!part || part->empty()) {
            // Without the final dot the other side keeps nothing.
            broken(part ? Error{.kind = Failure::unavailable, .what = "the body ends too soon", .remedy = {}}
                        : part.error());
            co_return false;
        }
        at += part->size();
        const auto written = co_await conversation_.write(stuffer.feed(*part));
        if (!written) {
            broken(written.error());
            co_return false;
        }
    }
    const auto written = co_await conversation_.write(stuffer.finish());
    if (!written) {
        broken(written.error());
    }
    co_return written.has_value();
}

}  // namespace sekisho::delivery
