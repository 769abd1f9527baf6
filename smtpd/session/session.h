// SPDX-License-Identifier: Apache-2.0
// SMTP as a state machine: bytes in, actions out. No sockets, no clock, no threads.
//
// RFC 5321 (SMTP), 6409 (submission), 3207 (STARTTLS), 4954 (AUTH), 2920 (PIPELINING), 1870 (SIZE), 6152
// (8BITMIME), 6531 (SMTPUTF8), 3030 (CHUNKING), 3461 (DSN), 9422 (LIMITS), 2034 and 3463 (enhanced status
// codes), and Postfix's XCLIENT. The table of commands stands in commands.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "smtpd/message/envelope.h"
#include "smtpd/session/xclient.h"

namespace sekisho::session {

// What is known of a connection before its first byte.
struct Settings {
    std::string hostname;           // ours
    std::string postmaster_domain;  // of <postmaster>, who has none of his own (RFC 5321, 4.5.1)
    std::string client;             // its address, for the greeting after EHLO
    bool tls_offered = false;       // STARTTLS
    bool tls_active = false;        // from the first byte
    std::string user;      // who has logged in already, at a host that speaks for the client; empty: nobody
    bool dsn = true;       // DSN: strangers could have notices sent to others
    bool xclient = false;  // the client may say for whom it speaks
    std::vector<std::string> mechanisms = {"PLAIN", "LOGIN"};  // offered inside TLS
    std::vector<std::string> clear_mechanisms{};               // offered outside of it
    std::uint64_t largest_message = 50ULL << 20;               // octets
    std::size_t recipients = 100;                              // a message
    std::size_t errors = 10;                                   // then 421 and the end
};

// To the client: one or more whole reply lines, each with its CRLF.
struct Reply {
    std::string text;
};
// The TLS handshake comes next; then call tls_started(). Everything received before is forgotten already.
struct StartTls {};
// AUTH has begun: ask the authentication server; then call auth_continued() or auth_ended(). `initial` is
// still in base64; an empty initial response ("=") is "".
struct Authenticate {
    std::string mechanism;
    std::optional<std::string> initial;
};
// The client's answer to a challenge, in base64.
struct AuthResponse {
    std::string response;
};
// The client has given up ("*"): the server's pending request is void. No call is awaited.
struct AuthCancelled {};
// MAIL has named a sender, "" for the null path, or RCPT a recipient: whether this client may is not for the
// session to know. Then call address_accepted() or address_refused().
struct SenderGiven {
    std::string sender;
};
struct RecipientGiven {
    std::string recipient;
};
// A message begins: its envelope is complete. Octets follow as Body.
struct MessageBegun {
    std::string sender;
    std::vector<message::Recipient> recipients;
    bool eight_bit = false;
    bool utf8 = false;                 // SMTPUTF8: addresses and header may be in any language
    std::uint64_t announced_size = 0;  // SIZE=, 0 if not given
    message::Return returned = message::Return::not_given;
    std::string envelope_id{};  // ENVID=, as it came
};
// Octets of the message, without what was added for the way, line ends CRLF. In one action or in many, cut
// anywhere. Up to MessageEnded nothing promises that they are well-formed.
struct Body {
    std::string octets;
};
// The message is complete and well-formed: keep it; then call message_kept() or message_refused().
struct MessageEnded {};
// It will not be: too large, malformed, given up by RSET between its chunks, or the client has gone. Throw
// away what has come.
struct MessageAborted {};
// XCLIENT: all that is known of the client is another's, so this session is over; the connection goes on with
// a new one, from its banner on.
struct ClientNamed {
    NamedClient client;
};
// End the connection when all replies are written.
struct Close {};

using Action =
    std::variant<Reply, StartTls, Authenticate, AuthResponse, AuthCancelled, SenderGiven, RecipientGiven,
                 MessageBegun, Body, MessageEnded, MessageAborted, ClientNamed, Close>;
using Actions = std::vector<Action>;

// Why AUTH did not succeed.
enum class AuthFailure : std::uint8_t { wrong, temporary };

// What a session has come to know; stable between calls.
struct State {
    std::string helo;  // the client's word for itself, as printable ASCII
    bool esmtp = false;
    bool tls = false;
    std::string user;  // empty: not logged in
    std::size_t failed_logins = 0;
    std::size_t errors = 0;  // answers with 5xx, a failed login twice; and commands to no end (commands.cpp)
    std::size_t messages = 0;  // accepted
};

class Session {
public:
    explicit Session(Settings settings);
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    // The banner.
    [[nodiscard]] Actions begin();

    // Bytes from the client, cut anywhere. While an answer is awaited (after StartTls, Authenticate,
    // AuthResponse, SenderGiven, RecipientGiven, MessageEnded) they are kept, and looked at when it comes;
    // the caller had better not read meanwhile: what is kept has no limit of its own.
    [[nodiscard]] Actions receive(std::string_view bytes);

    // What is offered inside TLS, now that the handshake has shown who the client is: before begin() or
    // tls_started().
    void offer(std::vector<std::string> mechanisms);

    // The answers. Each must be called exactly when it is awaited (std::logic_error else); after Close they
    // do nothing.
    [[nodiscard]] Actions tls_started();
    // A challenge for the client, in base64.
    [[nodiscard]] Actions auth_continued(std::string_view challenge);
    [[nodiscard]] Actions auth_succeeded(std::string user);
    [[nodiscard]] Actions auth_failed(AuthFailure failure);
    [[nodiscard]] Actions address_accepted();
    // A reply without its line end: "530 5.7.0 Authentication required". As message_refused(), a text that is
    // no refusal with an enhanced code becomes 451 4.3.0.
    [[nodiscard]] Actions address_refused(std::string_view reply);
    // 250, with the id.
    [[nodiscard]] Actions message_kept(std::string_view id);
    // A reply without its line end: "452 4.3.1 Insufficient system storage". A message may be refused so
    // before MessageEnded, too, in the middle of its body: the rest of it is read and thrown away,
    // MessageAborted comes now, and the reply after the true end, or that of the next chunk. Look first at
    // all actions of the last call: behind MessageAborted there is nothing left to refuse, and behind
    // MessageEnded this is the answer to it. A text that is no refusal with an enhanced code becomes
    // 451 4.3.0.
    [[nodiscard]] Actions message_refused(std::string_view reply);

    // Whether an answer is awaited: nothing should be read then.
    [[nodiscard]] bool waiting() const;
    // Whether octets of a message come next, and no command.
    [[nodiscard]] bool receiving() const;
    // 421 with this text, which begins with its enhanced code ("4.4.2 Time-out"; 4.3.2 if it doesn't), and
    // Close; for time-outs and shutdown.
    [[nodiscard]] Actions give_up(std::string_view text);

    [[nodiscard]] const State& state() const;

private:
    struct Machine;
    std::unique_ptr<Machine> machine_;
};

}  // namespace sekisho::session
