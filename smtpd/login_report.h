// SPDX-License-Identifier: Apache-2.0
// Tells the agent who has logged in, so that it may open port 25.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <string>

#include "agent/base/socket_address.h"

namespace sekisho {

// A login, or what wanted to be one.
struct SeenLogin {
    Endpoint client;
    std::string user;
    std::string mechanism;
    bool tls = false;
    bool success = false;
};

class LoginReport {
public:
    explicit LoginReport(std::filesystem::path socket);
    LoginReport(const LoginReport&) = delete;
    LoginReport& operator=(const LoginReport&) = delete;
    ~LoginReport() = default;

    // POST /v1/logins. Returns when the agent has answered, because the client may connect to port 25 as soon
    // as it knows that it is logged in; after a second at the latest, and whatever the answer: the login
    // stands. Call it once for each login.
    [[nodiscard]] boost::asio::awaitable<void> tell(SeenLogin login);

private:
    std::filesystem::path socket_;
    // The agent's client waits for its answer: not on the thread that serves everybody.
    boost::asio::thread_pool pool_{4};
};

}  // namespace sekisho
