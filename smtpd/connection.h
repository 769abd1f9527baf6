// SPDX-License-Identifier: Apache-2.0
// One client of sekisho-smtpd: carries out what its session decides. Internal to sekisho-smtpd.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/socket_address.h"
#include "smtpd/agent_link.h"
#include "smtpd/body_file.h"
#include "smtpd/certificates.h"
#include "smtpd/handoff/client.h"
#include "smtpd/message/fixups.h"
#include "smtpd/policy/access.h"
#include "smtpd/policy/relay.h"
#include "smtpd/sasl/auth_client.h"
#include "smtpd/sender_file.h"
#include "smtpd/session/proxy_header.h"
#include "smtpd/session/session.h"
#include "smtpd/stream.h"
#include "smtpd/tls_peer.h"

namespace sekisho {

// What has happened since the start, for metrics.
struct SmtpdCounts {
    std::uint64_t connections = 0;  // taken in
    std::uint64_t denied = 0;       // by the list of access, at once
    std::uint64_t spoke_first = 0;  // and were sent away
    std::uint64_t turned_away = 0;  // there was no room
    std::uint64_t tls_failed = 0;   // handshakes
    std::uint64_t right = 0;        // logins
    std::uint64_t wrong = 0;
    std::uint64_t locked = 0;        // refused for what had failed before, right or wrong
    std::uint64_t not_allowed = 0;   // refused, and not for the password
    std::uint64_t unavailable = 0;   // they could not be checked
    std::uint64_t may_not_send = 0;  // MAIL that the rules have refused
    std::uint64_t elsewhere = 0;     // RCPT for other domains than the local ones, from who may not relay
    std::uint64_t no_mailbox = 0;    // RCPT that the server of a local domain has refused
    std::uint64_t accepted = 0;      // messages
    std::uint64_t refused = 0;
};

// What all connections share. Outlives them.
struct SmtpdServices {
    const SubmissionConfig& config;   // its hostname is filled in
    const RelayConfig& routes;        // for the local domains
    std::filesystem::path temporary;  // directory for large messages
    Certificates& certificates;
    sasl::AuthClient& auth;
    handoff::HandoffClient& relay;
    SenderFile& senders;
    AgentLink* agent;  // null: there is none that wants to hear of logins
    SmtpdCounts& counts;
    std::span<char> scratch;  // for what has just come and is looked at at once, whoever it came from
};

class SmtpdConnection : public std::enable_shared_from_this<SmtpdConnection> {
public:
    using Socket = Stream::Socket;
    // RFC 5321, 3.1, instead of the greeting.
    static constexpr std::string_view denied = "554 5.7.1 Access denied\r\n";

    // `ends` as the client sees them: they are not the socket's behind a balancer.
    // `interface`: by which the client has come; empty behind a balancer, or where it can't be told.
    SmtpdConnection(Socket socket, const session::ProxiedEnds& ends, std::string interface,
                    const SmtpdServices& services, const ListenerConfig& listener);

    // Serves the client to the end.
    [[nodiscard]] boost::asio::awaitable<void> run();
    // Ends it now.
    void close();
    // 421 and the end, after the message in hand and what else is being answered.
    void ask_to_leave();

private:
    [[nodiscard]] session::Settings settings() const;
    // Whoever doesn't wait for the greeting (RFC 5321, 4.3.1) doesn't care for the answers either.
    boost::asio::awaitable<void> refuse_haste();
    // What a client may log in by, inside TLS or outside.
    [[nodiscard]] std::vector<std::string> mechanisms(bool inside) const;
    // What [[submission.access]] says of a client before its banner: it waits, or is turned away, whose name
    // nobody has asked for before.
    boost::asio::awaitable<void> admit();
    [[nodiscard]] policy::Access access(std::optional<std::string_view> sender) const;
    boost::asio::awaitable<void> speak_for(session::NamedClient client);
    // Whether it went well; the connection is closed otherwise.
    boost::asio::awaitable<bool> handshake();
    boost::asio::awaitable<std::size_t> read();
    boost::asio::awaitable<void> flush();
    // Says what is unsent, the last words to the client.
    boost::asio::awaitable<void> part();
    boost::asio::awaitable<void> see_off();
    boost::asio::awaitable<void> perform(session::Actions actions);
    boost::asio::awaitable<void> perform_one(session::Action action);
    void add(session::Actions actions);

    // A message from its first octet on, until it is complete or refused.
    struct Incoming {
        message::Fixups fixups;
        BodyFile body;
    };

    boost::asio::awaitable<void> start_tls();
    boost::asio::awaitable<void> authenticate(session::Authenticate wanted);
    boost::asio::awaitable<void> respond(std::string response);
    boost::asio::awaitable<void> take(sasl::AuthStep step);
    boost::asio::awaitable<void> give_up_login();
    boost::asio::awaitable<void> refuse_login(sasl::AuthFail failed);
    boost::asio::awaitable<void> refuse_locked(std::string user);
    // Whether a login of this user, or without a name of anybody, is to be refused whatever it is.
    boost::asio::awaitable<bool> locked(std::string user, std::vector<std::string> also = {});
    // Whether it is to be refused whatever it was.
    boost::asio::awaitable<bool> report(SeenLogin login);
    [[nodiscard]] policy::RelayFacts relay_facts(std::string sender) const;
    boost::asio::awaitable<void> judge_sender(std::string sender);
    boost::asio::awaitable<void> judge_recipient(std::string recipient);
    void refuse_recipient(const std::string& recipient, std::string_view reply);
    [[nodiscard]] SeenLogin seen_login(const std::string& user, const std::vector<std::string>& also,
                                       bool success) const;
    // What was agreed upon, for the trace and the log; empty: it is in the clear.
    [[nodiscard]] std::string tls() const;
    void begin_message(session::MessageBegun begun);
    void take_body(std::string_view octets);
    void refuse(std::string_view reply);
    boost::asio::awaitable<void> end_message();
    boost::asio::awaitable<std::string> would_come_back();
    [[nodiscard]] bool needs_utf8() const;
    // Reads and has it carried out; false at the end.
    boost::asio::awaitable<bool> converse();
    boost::asio::awaitable<void> judge_pace();
    void limit_to(std::chrono::steady_clock::duration time);
    boost::asio::awaitable<void> wait(std::chrono::steady_clock::duration time);

    Stream stream_;
    const SmtpdServices& services_;
    const ListenerConfig& listener_;
    Endpoint local_;
    Endpoint remote_;
    std::string interface_;                   // see the constructor; empty of whom a host speaks for
    std::string name_;                        // of the connection, in both logs
    bool xclient_;                            // it may speak for others
    std::optional<std::string> client_name_;  // forward-confirmed; nothing: it isn't known
    std::string user_;                        // who has logged in at the host that speaks for the client
    TlsPeer peer_;                            // what the handshake has shown
    bool spoken_for_ = false;                 // a host speaks for the client: it is the host's handshake
    session::Session session_;
    boost::asio::steady_timer timer_;
    std::deque<session::Action> todo_;
    std::string unsent_;

    std::string mechanism_;                        // of the last login
    std::chrono::steady_clock::time_point tried_;  // when its last words came
    bool token_sent_ = false;                      // it has begun with more than the mechanism's name
    std::string sender_;                           // of MAIL
    std::optional<policy::GrantAnswer> grant_;     // what the agent has said, if it was asked at MAIL
    std::optional<std::string> standing_;     // what the relay has said of the user then, if it was asked
    bool stranger_ = false;                   // who may send to local domains only
    std::optional<std::uint32_t> challenge_;  // the one that is being answered
    message::Envelope envelope_;
    std::optional<Incoming> incoming_;
    std::chrono::steady_clock::time_point command_due_;  // when the command that is awaited must be whole
    std::chrono::steady_clock::duration body_time_{};    // for which octets of this message were awaited
    std::uint64_t body_octets_ = 0;

    bool reading_ = false;
    bool waiting_ = false;
    bool late_ = false;
    bool closing_ = false;
    bool parted_ = false;  // closed, and it was our doing
    bool closed_ = false;
};

}  // namespace sekisho
