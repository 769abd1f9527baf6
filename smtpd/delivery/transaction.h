// SPDX-License-Identifier: Apache-2.0
// One message over one connection: EHLO (or LHLO), STARTTLS, MAIL, RCPT, DATA. Internal to this room.
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

    // From the greeting to the last reply, or to that to RCPT. `tls` is null where it isn't wanted. Says what
    // became of each recipient.
    [[nodiscard]] boost::asio::awaitable<std::vector<Outcome>> run(boost::asio::ssl::context* tls,
                                                                   const std::string& server_name);

    // The way into TLS failed: another connection without it may succeed.
    [[nodiscard]] bool tls_failed() const { return tls_failed_; }

private:
    // RFC 5321's, or less where somebody waits.
    [[nodiscard]] std::chrono::seconds limit(std::chrono::minutes usual) const;

    // Each says whether to go on; what ends the transaction has been written into the outcomes.
    boost::asio::awaitable<bool> greet();
    boost::asio::awaitable<bool> secure(boost::asio::ssl::context* tls, const std::string& server_name);
    boost::asio::awaitable<bool> hello();
    boost::asio::awaitable<bool> mail();
    [[nodiscard]] std::string rcpt_command(const message::Recipient& recipient) const;
    boost::asio::awaitable<bool> recipients();
    boost::asio::awaitable<bool> data();
    boost::asio::awaitable<bool> body();
    boost::asio::awaitable<void> for_all();
    boost::asio::awaitable<void> for_each();

    // For all recipients that have no outcome of their own yet.
    void all(const Reply& reply);
    void all(const Outcome& outcome);
    // The connection, or the message itself, has let us down: there is nothing left to say to the server.
    void broken(const Error& error);
    // A reply that isn't what the command was to bring: a refusal, or one that has no place there.
    void end_with(std::string_view command, const Reply& reply);
    void turned_away(std::string_view command, const Reply& reply);
    [[nodiscard]] Outcome outcome(const Reply& reply) const;

    Conversation& conversation_;
    const Consignment& consignment_;
    Protocol protocol_;
    std::string hostname_;
    std::string host_;
    Reply extensions_;
    std::vector<Outcome> outcomes_;
    std::vector<bool> accepted_;
    bool tls_failed_ = false;
    bool broken_ = false;
};

}  // namespace sekisho::delivery
