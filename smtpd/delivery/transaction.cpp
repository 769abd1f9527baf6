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
// Commands whose replies are awaited.
constexpr std::size_t most_at_once = 50;

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
      reused_(conversation.used()),
      outcomes_(consignment.envelope.recipients.size()),
      accepted_(consignment.envelope.recipients.size(), true) {}

std::chrono::seconds Transaction::limit(std::chrono::minutes usual) const {
    return consignment_.question ? question_limit : std::chrono::seconds(usual);
}

const Reply& Transaction::extensions() const {
    static const Reply none;
    const Reply* const said = conversation_.extensions();
    return said == nullptr ? none : *said;
}

Outcome Transaction::outcome(const Reply& reply) const {
    return {.fate = reply.positive()    ? Fate::delivered
                    : reply.permanent() ? Fate::failed
                                        : Fate::deferred,
            .host = host_,
            .text = reply.text(),
            .status = reply.status(),
            .tls = conversation_.tls_text(),
            .dsn = extensions().offers("DSN"),
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

// While the envelope is said. What has been refused before stays so, with the server's reason.
void Transaction::lost(const Error& error) {
    if (refused_) {
        broken_ = true;
    } else {
        broken(error);
    }
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
    bool good = true;
    if (conversation_.extensions() == nullptr) {
        good = co_await introduce(tls, server_name);
    }
    if (good) {
        good = can_be_said();
        unable_ = !good;
    }
    if (good) {
        good = co_await envelope();
        unheard_ = reused_ && (unheard_ || broken_);
    }
    if (good && go_ahead_) {
        co_await send_message();
    }
    co_return outcomes_;
}

boost::asio::awaitable<bool> Transaction::introduce(boost::asio::ssl::context* tls,
                                                    const std::string& server_name) {
    bool good = co_await greet();
    if (good) {
        good = co_await hello();
    }
    if (good) {
        good = co_await secure(tls, server_name);
    }
    co_return good;
}

boost::asio::awaitable<void> Transaction::send_message() {
    if (refused_ && (accepted_all_the_same_ || anybody_accepted())) {
        broken_ = true;  // those whom it has accepted would get an empty message
        co_return;
    }
    if (!anybody_accepted()) {
        co_await take_back_data();
        co_return;
    }
    unheard_ = false;  // whatever comes now, it isn't sent again at once
    const bool sent = co_await body();
    if (!sent) {
        co_return;
    }
    if (protocol_ == Protocol::lmtp) {
        co_await for_each();
    } else {
        co_await for_all();
    }
    complete_ = !broken_ && !refused_;
}

boost::asio::awaitable<void> Transaction::quit() {
    // On a connection that is stuck, or within DATA, it would be wrong.
    if (!broken_) {
        std::string leave = "QUIT\r\n";
        static_cast<void>(co_await conversation_.write(std::move(leave)));
    }
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
    conversation_.introduced(std::move(*said));
    co_return true;
}

boost::asio::awaitable<bool> Transaction::secure(boost::asio::ssl::context* tls,
                                                 const std::string& server_name) {
    if (tls == nullptr || !extensions().offers("STARTTLS")) {
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

bool Transaction::can_be_said() {
    const auto fail_all = [this](std::string text, std::string status) {
        all({.fate = Fate::failed,
             .host = host_,
             .text = std::move(text),
             .status = std::move(status),
             .tls = conversation_.tls_text()});
        return false;
    };
    if (consignment_.envelope.utf8 && !extensions().offers("SMTPUTF8")) {  // RFC 6531, 3.5
        return fail_all("the mail host takes no addresses or headers outside of ASCII (SMTPUTF8)", "5.6.7");
    }
    // RFC 6152, 3: what isn't converted is returned. Sent all the same it might arrive without its eighth
    // bits. But a notice that doesn't arrive is told to nobody.
    const bool comes_back = !consignment_.envelope.sender.empty() || consignment_.question;
    if (consignment_.envelope.eight_bit && comes_back && !extensions().offers("8BITMIME")) {
        return fail_all("the mail host takes no text outside of ASCII (8BITMIME)", "5.6.3");
    }
    return true;
}

std::string Transaction::mail_command() const {
    const message::Envelope& envelope = consignment_.envelope;
    std::string command = "MAIL FROM:<" + envelope.sender + ">";
    if (extensions().offers("SIZE")) {
        command += " SIZE=" + std::to_string(consignment_.size);
    }
    if (envelope.eight_bit && extensions().offers("8BITMIME")) {
        command += " BODY=8BITMIME";
    }
    if (envelope.utf8) {
        command += " SMTPUTF8";
    }
    // RFC 3461, 5.2.1: what was given, as it was given, and nothing else; to others (5.2.2) none of it.
    if (envelope.returned != message::Return::not_given && extensions().offers("DSN")) {
        command.append(" RET=").append(message::text_of(envelope.returned));
    }
    if (!envelope.envelope_id.empty() && extensions().offers("DSN")) {
        command += " ENVID=" + envelope.envelope_id;
    }
    return command;
}

std::string Transaction::rcpt_command(const message::Recipient& recipient) const {
    std::string command = "RCPT TO:<" + recipient.address + ">";
    if (recipient.notify.given() && extensions().offers("DSN")) {
        command += " NOTIFY=" + recipient.notify.text();
    }
    if (!recipient.original.empty() && extensions().offers("DSN")) {
        command += " ORCPT=" + recipient.original;
    }
    return command;
}

// MAIL, one RCPT for each recipient, and DATA, if there is a message.
std::vector<std::string> Transaction::commands() const {
    std::vector<std::string> all = {mail_command()};
    for (const message::Recipient& recipient : consignment_.envelope.recipients) {
        all.push_back(rcpt_command(recipient));
    }
    if (!consignment_.question) {
        all.emplace_back("DATA");
    }
    return all;
}

bool Transaction::anybody_accepted() const {
    return std::ranges::find(accepted_, true) != accepted_.end();
}

boost::asio::awaitable<bool> Transaction::say(const std::vector<std::string>& commands, std::size_t from,
                                              std::size_t to) {
    std::string octets;
    for (std::size_t i = from; i < to; i++) {
        octets += commands[i] + "\r\n";
    }
    const auto written = co_await conversation_.write(std::move(octets));
    if (!written) {
        lost(written.error());
    }
    co_return written.has_value();
}

// RFC 2920: where the server takes several commands at once, it gets them so, and its replies come in the
// same order. Not too many, lest both sides wait for the other to read. False where the connection is no
// good any more.
boost::asio::awaitable<bool> Transaction::envelope() {
    const std::vector<std::string> all_of_them = commands();
    const std::size_t at_once = extensions().offers("PIPELINING") ? most_at_once : 1;
    std::size_t said = 0;
    for (std::size_t i = 0; i < all_of_them.size(); i++) {
        if (i == said) {
            const bool over = refused_ || (all_of_them[i] == "DATA" && !anybody_accepted());
            if (over) {
                co_return true;
            }
            said = std::min(all_of_them.size(), said + at_once);
            const bool good = co_await say(all_of_them, i, said);
            if (!good) {
                co_return false;
            }
        }
        const auto time = all_of_them[i] == "DATA" ? data_limit : command_limit;
        const auto reply = co_await conversation_.reply(limit(time));
        if (!reply) {
            lost(reply.error());
            co_return false;
        }
        take_reply(i, *reply);
    }
    co_return true;
}

void Transaction::take_reply(std::size_t command, const Reply& reply) {
    const std::size_t recipients = consignment_.envelope.recipients.size();
    constexpr int closing = 421;
    unheard_ = unheard_ || (reused_ && reply.code == closing);
    if (command > recipients) {
        constexpr int go_on = 354;
        go_ahead_ = reply.code == go_on;
        if (!go_ahead_ && !refused_) {
            refused_ = true;
            end_with("DATA", reply);
        }
        return;
    }
    if (refused_) {  // what came behind the command that was refused
        accepted_all_the_same_ = accepted_all_the_same_ || reply.positive();
        return;
    }
    if (command == 0) {
        refused_ = !reply.positive();
        // It may be about this connection: some take only so many messages on one, or none so late.
        unheard_ = unheard_ || (reused_ && refused_);
        if (refused_) {
            // The mailbox that was asked for has nothing to do with it.
            consignment_.question ? turned_away("MAIL", reply) : end_with("MAIL", reply);
            accepted_.assign(accepted_.size(), false);
        }
        return;
    }
    if (!reply.positive() && !reply.permanent() && !reply.temporary()) {
        refused_ = true;
        end_with("RCPT", reply);
        return;
    }
    outcomes_[command - 1] = outcome(reply);
    accepted_[command - 1] = reply.positive();
}

// RFC 2920, 3.1: a server may say 354 although it has accepted no recipient; an empty message ends that.
boost::asio::awaitable<void> Transaction::take_back_data() {
    std::string nothing = ".";
    static_cast<void>(co_await conversation_.ask(std::move(nothing), end_limit));
}

boost::asio::awaitable<void> Transaction::for_all() {
    const auto end = co_await conversation_.reply(end_limit);
    if (!end) {
        broken(end.error());
    } else if (end->positive()) {
        all(*end);
    } else {
        refused_ = true;
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
        refused_ = refused_ || !end->positive();
        accepted_[i] = false;
    }
}

boost::asio::awaitable<bool> Transaction::body() {
    DotStuffer stuffer;
    std::uint64_t at = 0;
    do {
        std::string octets;
        if (at < consignment_.size) {
            const auto part = consignment_.body(at, piece);
            if (!part || part->empty()) {
                // Without the final dot the other side keeps nothing.
                broken(
                    part ? Error{.kind = Failure::unavailable, .what = "the body ends too soon", .remedy = {}}
                         : part.error());
                co_return false;
            }
            at += part->size();
            octets = stuffer.feed(*part);
        }
        if (at >= consignment_.size) {
            octets += stuffer.finish();
        }
        const auto written = co_await conversation_.write(std::move(octets));
        if (!written) {
            broken(written.error());
            co_return false;
        }
    } while (at < consignment_.size);
    co_return true;
}

}  // namespace sekisho::delivery
