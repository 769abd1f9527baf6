// SPDX-License-Identifier: Apache-2.0
// The client of Dovecot's authentication protocol (1.x, doc/wiki/Design.AuthProtocol): sekisho-auth and
// Dovecot speak it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sekisho::sasl {

// Who wants to log in, from where.
struct AuthRequest {
    std::string mechanism;               // "PLAIN"
    std::optional<std::string> initial;  // the initial response in base64
    std::string local;                   // our address, text ("lip")
    std::string remote;                  // the client's ("rip")
    std::uint16_t remote_port = 0;
    bool secured = true;  // inside TLS
    std::string session;  // the connection's name in both logs; may be empty
    // What the handshake has shown, as in Auth; empty where there is nothing.
    std::string certificate_user{};
    bool tls_bindable = false;
    std::string tls_exporter{};
    std::string tls_unique{};
};

// A challenge, in base64.
struct AuthContinue {
    std::uint32_t id = 0;  // for AuthClient::respond
    std::string challenge;
    std::string proven{};  // whose password the client has shown to know: the challenge is the server's proof
    std::vector<std::string> also{};  // as in AuthOk
};
struct AuthOk {
    std::string user;
    // What the same user is called elsewhere, where the server changes names: as the client gave it, and
    // whose password it was (a master's). None is the user's name again.
    std::vector<std::string> also{};
};
struct AuthFail {
    enum class Why : std::uint8_t {
        wrong,        // the name or the password
        not_allowed,  // whatever the password is: nothing says that it was wrong
        unavailable,  // the server said so, or it could not be asked
    };
    Why why = Why::wrong;
    std::string reason;               // for the log
    std::string user{};               // whose password it should have been, if the server says that
    std::vector<std::string> also{};  // as in AuthOk
};
using AuthStep = std::variant<AuthContinue, AuthOk, AuthFail>;

// One connection to the server, for all logins; made when it is needed, made again when the server has been
// away (after that, requests fail as temporary at once and cost no wait). Runs on one thread's executor.
class AuthClient {
public:
    AuthClient(const boost::asio::any_io_executor& executor, std::filesystem::path socket);
    AuthClient(const AuthClient&) = delete;
    AuthClient& operator=(const AuthClient&) = delete;
    ~AuthClient();

    // Makes the connection now, where there is none.
    void connect();
    // What a client may be offered (offered_to_clients()), as the server has said when it was last connected
    // to. Empty while no server has been heard.
    [[nodiscard]] const std::vector<std::string>& mechanisms() const;
    // Whether a server has been heard.
    [[nodiscard]] bool heard() const;

    // Asks, and awaits the answer: temporary failure after 30 s, or when the connection ends.
    [[nodiscard]] boost::asio::awaitable<AuthStep> begin(AuthRequest request);
    // Answers a challenge.
    [[nodiscard]] boost::asio::awaitable<AuthStep> respond(std::uint32_t id, std::string response);
    // Forgets a request that was being challenged.
    void cancel(std::uint32_t id);

private:
    struct Connection;
    std::shared_ptr<Connection> connection_;
};

}  // namespace sekisho::sasl
