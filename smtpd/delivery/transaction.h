// SPDX-License-Identifier: Apache-2.0
// One message over one connection: MAIL, RCPT, DATA, and where the connection is new, EHLO (or LHLO) and
// STARTTLS before them. Internal to this room.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "smtpd/delivery/conversation.h"
#include "smtpd/delivery/delivery.h"

namespace sekisho::delivery {

// Makes a body ready for DATA: a dot in front of each line that begins with one (RFC 5321, 4.5.2), CRLF at
// the end. Pure.
class DotStuffer {
public:
    [[nodiscard]] std::string feed(std::string_view octets);
    // What ends the message: ".\r\n", behind a line end if there was none.
    [[nodiscard]] std::string finish() const;

private:
    bool line_begins_ = true;
    char last_ = '\n';
};

// For each step of a consignment that is only a question: somebody waits for the answer.
constexpr std::chrono::seconds question_limit{10};

class Transaction {
public:
    Transaction(Conversation& conversation, const Consignment& consignment, Protocol protocol,
                std::string hostname, std::string host);

    // From the greeting (of a new connection) to the last reply, or to that to RCPT. `tls` is null where it
    // isn't wanted. Says what became of each recipient.
    [[nodiscard]] boost::asio::awaitable<std::vector<Outcome>> run(boost::asio::ssl::context* tls,
                                                                   const std::string& server_name);
    // Takes leave, as far as the connection is still good for it. The reply is nothing to wait for.
    [[nodiscard]] boost::asio::awaitable<void> quit();

    // The way into TLS failed: another connection without it may succeed.
    [[nodiscard]] bool tls_failed() const { return tls_failed_; }
    // The server doesn't offer what this message needs: another may.
    [[nodiscard]] bool unable() const { return unable_; }
    // The server has answered the message, and awaits the next (RFC 5321, 4.1.4).
    [[nodiscard]] bool complete() const { return complete_; }
    // The connection had carried others, and was over before this message's text was sent: a new one may
    // have more to say.
    [[nodiscard]] bool unheard() const { return unheard_; }

private:
    // RFC 5321's, or less where somebody waits.
    [[nodiscard]] std::chrono::seconds limit(std::chrono::minutes usual) const;

    // Each says whether to go on; what ends the transaction has been written into the outcomes.
    boost::asio::awaitable<bool> introduce(boost::asio::ssl::context* tls, const std::string& server_name);
    boost::asio::awaitable<bool> greet();
    boost::asio::awaitable<bool> secure(boost::asio::ssl::context* tls, const std::string& server_name);
    boost::asio::awaitable<bool> hello();
    [[nodiscard]] bool can_be_said();
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] std::string rcpt_command(const message::Recipient& recipient) const;
    [[nodiscard]] std::vector<std::string> commands() const;
    boost::asio::awaitable<bool> envelope();
    boost::asio::awaitable<bool> say(const std::vector<std::string>& commands, std::size_t from,
                                     std::size_t to);
    void take_reply(std::size_t command, const Reply& reply);
    [[nodiscard]] bool anybody_accepted() const;
    boost::asio::awaitable<void> send_message();
    boost::asio::awaitable<void> take_back_data();
    boost::asio::awaitable<bool> body();
    boost::asio::awaitable<void> for_all();
    boost::asio::awaitable<void> for_each();

    // For all recipients that have no outcome of their own yet.
    void all(const Reply& reply);
    void all(const Outcome& outcome);
    // The connection, or the message itself, has let us down: there is nothing left to say to the server.
    void broken(const Error& error);
    void lost(const Error& error);
    // A reply that isn't what the command was to bring: a refusal, or one that has no place there.
    void end_with(std::string_view command, const Reply& reply);
    void turned_away(std::string_view command, const Reply& reply);
    [[nodiscard]] Outcome outcome(const Reply& reply) const;
    [[nodiscard]] const Reply& extensions() const;

    Conversation& conversation_;
    const Consignment& consignment_;
    Protocol protocol_;
    std::string hostname_;
    std::string host_;
    bool reused_;
    std::vector<Outcome> outcomes_;
    std::vector<bool> accepted_;
    bool tls_failed_ = false;
    bool unable_ = false;
    bool broken_ = false;
    bool refused_ = false;                // a command was answered by something that ends the transaction
    bool accepted_all_the_same_ = false;  // RCPT, behind that
    bool go_ahead_ = false;               // 354
    bool complete_ = false;
    bool unheard_ = false;
};

}  // namespace sekisho::delivery
