// SPDX-License-Identifier: Apache-2.0
// The listener.
#include "smtpd/sasl/auth_server.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <list>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/sasl/auth_connection.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

// How long to wait when the process has no descriptors left.
constexpr std::chrono::milliseconds pause_without_descriptors{100};

}  // namespace

struct AuthServer::State : std::enable_shared_from_this<State> {
    using Connections = std::list<std::shared_ptr<AuthConnection>>;

    State(const asio::any_io_executor& executor, Descriptor listener, LoginJudge& judging,
          const AuthLimits& how_much)
        : acceptor(executor),
          environment(std::make_shared<AuthEnvironment>(
              AuthEnvironment{.judge = &judging, .limits = how_much, .counts = {}})) {
        acceptor.assign(Protocol(), listener.release());
    }

    asio::awaitable<void> accept_all();
    void take(Protocol::socket socket);
    asio::awaitable<void> serve(Connections::iterator place);

    Protocol::acceptor acceptor;
    std::shared_ptr<AuthEnvironment> environment;
    Connections connections;
    std::uint32_t last_number = 0;
};

asio::awaitable<void> AuthServer::State::accept_all() {
    const auto self = shared_from_this();
    asio::steady_timer pause(acceptor.get_executor());
    while (environment->judge != nullptr) {
        auto [error, socket] = co_await acceptor.async_accept(quietly);
        if (error == asio::error::operation_aborted || environment->judge == nullptr) {
            break;
        }
        if (!error) {
            take(std::move(socket));
        } else if (error != asio::error::connection_aborted) {
            log::warning("AUTH_ACCEPT_FAILED", "a client could not be accepted; trying again",
                         {{"error", error.message()}});
            pause.expires_after(pause_without_descriptors);
            co_await pause.async_wait(quietly);
        }
    }
}

void AuthServer::State::take(Protocol::socket socket) {
    environment->counts.connections++;
    if (connections.size() >= environment->limits.connections) {
        log::warning("AUTH_CROWDED", "a client was turned away: too many connections",
                     {{"connections", connections.size()}});
        return;
    }
    const auto place = connections.insert(
        connections.end(), std::make_shared<AuthConnection>(std::move(socket), ++last_number, environment));
    asio::co_spawn(acceptor.get_executor(), serve(place), asio::detached);
}

asio::awaitable<void> AuthServer::State::serve(Connections::iterator place) {
    const auto self = shared_from_this();
    AuthConnection& connection = **place;
    try {
        co_await connection.run();
    } catch (const std::exception& error) {
        log::error("AUTH_CONNECTION_FAILED", "a client's connection ended by a bug, please report it",
                   {{"error", error.what()}});
    }
    connection.close();
    connections.erase(place);
}

AuthServer::AuthServer(const asio::any_io_executor& executor, Descriptor listener, LoginJudge& judge,
                       AuthLimits limits)
    : state_(std::make_shared<State>(executor, std::move(listener), judge, limits)) {
    asio::co_spawn(executor, state_->accept_all(), asio::detached);
}

AuthServer::~AuthServer() {
    state_->environment->judge = nullptr;
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    for (const auto& connection : state_->connections) {
        connection->close();
    }
}

AuthCounts AuthServer::counts() const {
    return state_->environment->counts;
}

std::size_t AuthServer::connections() const {
    return state_->connections.size();
}

}  // namespace sekisho::sasl
