// SPDX-License-Identifier: Apache-2.0
// One client of an AuthServer. Internal to this room.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smtpd/sasl/auth_protocol.h"
#include "smtpd/sasl/auth_server.h"

namespace sekisho::sasl {

// What all connections share.
struct AuthEnvironment {
    LoginJudge* judge = nullptr;  // null once the server has gone
    AuthLimits limits;
    AuthCounts counts;
};

class AuthConnection : public std::enable_shared_from_this<AuthConnection> {
public:
    using Socket = boost::asio::local::stream_protocol::socket;

    AuthConnection(Socket socket, std::uint32_t number, std::shared_ptr<AuthEnvironment> environment);

    // Serves until the client, what it says, or close() ends it.
    [[nodiscard]] boost::asio::awaitable<void> run();
    void close();

private:
    using Clock = std::chrono::steady_clock;

    // A login under way.
    struct Request {
        std::uint64_t serial = 0;  // ids may come again, serials don't
        Exchange exchange;
        std::string mechanism;
        std::optional<Address> remote;
        std::string remote_text;
        std::string session;
        bool final_response_ok = false;  // see Auth
        bool challenged = false;         // the client's turn
        bool refused = false;            // it failed, and the client must only take that in
        Clock::time_point since;
    };

    void greet();
    [[nodiscard]] Result<void> take(std::string_view line);
    [[nodiscard]] Result<void> take(const Version& version);
    [[nodiscard]] Result<void> take(Auth& auth);
    [[nodiscard]] Result<void> take(Continue& answer);
    void turn_down(const Auth& auth, std::string_view code, std::string_view reason);
    bool make_room();
    void forget_one();
    void step(std::uint32_t id, const std::optional<SecretText>& response);
    void step_base64(std::uint32_t id, std::string& response);
    void accept(std::uint32_t id, const Request& request, const std::string& user, std::string response = {});
    boost::asio::awaitable<void> judge(std::uint32_t id, Request request, Credentials credentials);
    boost::asio::awaitable<void> judge_token(std::uint32_t id, Request request, TokenGiven given);
    void tell_failure(std::uint32_t id, std::uint64_t serial, TokenVerdict verdict);
    boost::asio::awaitable<void> hold_back(Request request, std::string user, std::string why);
    boost::asio::awaitable<void> refuse(std::uint32_t id, Request request, std::string user, std::string why);
    void answer(std::uint32_t id, const Request& request, const ServerMessage& message);
    void send(const ServerMessage& message);
    boost::asio::awaitable<void> write_all();

    Socket socket_;
    std::uint32_t number_;
    std::shared_ptr<AuthEnvironment> environment_;
    LineBuffer input_;
    std::string output_;
    std::map<std::uint32_t, Request> requests_;
    std::uint64_t last_serial_ = 0;
    bool versioned_ = false;
    bool greeted_ = false;
    bool writing_ = false;
    bool closed_ = false;
};

}  // namespace sekisho::sasl
