// SPDX-License-Identifier: Apache-2.0
// What the submission server has to say to the agent: who has logged in, so that it may open port 25; and
// what it asks: who has logged in elsewhere, so that he may send without a login here.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/socket_address.h"
#include "smtpd/policy/relay.h"

namespace sekisho {

// A login, or what wanted to be one.
struct SeenLogin {
    Endpoint client;
    std::string user;
    std::vector<std::string> also{};  // what the same user is called elsewhere, as in sasl::AuthOk
    std::string mechanism;
    bool tls = false;
    bool success = false;
};

class AgentLink {
public:
    explicit AgentLink(std::filesystem::path socket);
    AgentLink(const AgentLink&) = delete;
    AgentLink& operator=(const AgentLink&) = delete;
    ~AgentLink() = default;

    // POST /v1/logins. Returns when the agent has answered, because the client may connect to port 25 as soon
    // as it knows that it is logged in; after a second at the latest. Call it once for each login. True where
    // too many tries have failed before: this one is to be refused, right or wrong. False where the agent
    // doesn't answer: the login stands.
    [[nodiscard]] boost::asio::awaitable<bool> tell(SeenLogin login);

    // GET /v1/locked/ADDRESS: whether a login from there is to be refused for what has failed before, whoever
    // it is (user empty) or as this user, by one of his names. False, after a second at the latest, where the
    // agent doesn't say.
    [[nodiscard]] boost::asio::awaitable<bool> locks(Address client, std::string user,
                                                     std::vector<std::string> also);

    // GET /v1/relay/ADDRESS: whether it holds a grant for the relay, and whose. Unknown, after a second at
    // the latest, where the agent doesn't say; the log has why.
    [[nodiscard]] boost::asio::awaitable<policy::GrantAnswer> relay_grant(Address client);

private:
    std::filesystem::path socket_;
    // The agent's client waits for its answer: not on the thread that serves everybody.
    boost::asio::thread_pool pool_{4};
};

// AgentLink::relay_grant, where there may be no agent to ask: then it is unknown.
[[nodiscard]] boost::asio::awaitable<policy::GrantAnswer> ask_for_grant(AgentLink* agent, Address client);

}  // namespace sekisho
