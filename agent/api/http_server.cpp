// SPDX-License-Identifier: Apache-2.0
// The listener: accepts, makes room, stops.
#include "agent/api/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "agent/api/http_connection.h"
#include "agent/base/ascii.h"
#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "agent/base/socket_address.h"

namespace sekisho::api {
namespace {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Protocol>;

// How long to wait when the process has no descriptors left.
constexpr std::chrono::milliseconds pause_without_descriptors{100};

// Which file a path names, to recognise it again.
struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
};

std::optional<FileId> file_id(const std::filesystem::path& path) {
    struct stat status{};
    if (path.empty() || ::lstat(path.c_str(), &status) != 0) {
        return std::nullopt;
    }
    return FileId{status.st_dev, status.st_ino};
}

// Who is at the other end of an accepted connection.
Peer peer_of(int connection) {
    Peer peer;
    if (const auto remote = remote_endpoint(connection)) {
        peer.address = remote->address;
        peer.port = remote->port;
        return peer;
    }
    int domain = 0;
    socklen_t length = sizeof domain;
    if (::getsockopt(connection, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX) {
        return peer;
    }
    ucred credentials{};
    length = sizeof credentials;
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        peer.user = credentials.uid;
    }
    return peer;
}

}  // namespace

std::string Peer::text() const {
    if (address) {
        return Endpoint{*address, port}.text();
    }
    return user ? "uid " + std::to_string(*user) : "unknown";
}

std::optional<std::string_view> Request::header(std::string_view name) const {
    const auto found =
        std::ranges::find_if(headers, [&](const auto& header) { return same_word(header.first, name); });
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

struct HttpServer::State : std::enable_shared_from_this<State> {
    using Connections = std::list<std::shared_ptr<HttpConnection>>;

    State(const asio::any_io_executor& executor, Descriptor listener, Handler answering,
          const HttpLimits& how_much, Admit admitting, BodyLimit body)
        : acceptor(executor),
          handler(std::move(answering)),
          limits(how_much),
          admit(std::move(admitting)),
          body_limit(std::move(body)) {
        if (const auto local = local_endpoint(listener.get())) {
            port = local->port;
        }
        acceptor.assign(Protocol(0, 0), listener.release());
    }

    asio::awaitable<void> accept_all();
    void take(HttpConnection::Socket socket);
    bool make_room();
    asio::awaitable<void> serve(Connections::iterator place);
    void stop();

    Acceptor acceptor;
    Handler handler;
    HttpLimits limits;
    Admit admit;
    BodyLimit body_limit;
    HttpCounts counts;
    Connections connections;
    std::filesystem::path path;
    std::optional<FileId> file;
    std::uint16_t port = 0;
    bool stopped = false;
};

asio::awaitable<void> HttpServer::State::accept_all() {
    asio::steady_timer pause(acceptor.get_executor());
    while (!stopped) {
        auto [error, socket] = co_await acceptor.async_accept(quietly);
        if (stopped || error == asio::error::operation_aborted) {
            break;
        }
        if (!error) {
            take(std::move(socket));
        } else if (error != asio::error::connection_aborted) {
            log::warning("HTTP_ACCEPT_FAILED", "a client could not be accepted; trying again",
                         {{"error", error.message()}});
            pause.expires_after(pause_without_descriptors);
            co_await pause.async_wait(quietly);
        }
    }
}

void HttpServer::State::take(HttpConnection::Socket socket) {
    ++counts.connections;
    const Peer peer = peer_of(socket.native_handle());
    if ((admit && !admit(peer)) || !make_room()) {
        ++counts.turned_away;
        return;
    }
    if (peer.address) {
        // Answers are small and somebody waits for each.
        const int on = 1;
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    const auto executor = acceptor.get_executor();
    const auto place = connections.insert(
        connections.end(),
        std::make_shared<HttpConnection>(std::move(socket), peer,
                                         HttpConnection::Environment{handler, limits, body_limit, counts}));
    asio::co_spawn(executor, serve(place), asio::detached);
}

// Closes the connection that has kept us waiting longest, idle ones first, if there are too many.
bool HttpServer::State::make_room() {
    const auto open = [](const auto& connection) { return !connection->closed(); };
    if (static_cast<std::size_t>(std::ranges::count_if(connections, open)) < limits.connections) {
        return true;
    }
    const auto rank = [](const std::shared_ptr<HttpConnection>& connection) {
        const int last_resort = connection->closed()    ? 3
                                : connection->at_work() ? 2
                                : connection->idle()    ? 0
                                                        : 1;
        return std::pair(last_resort, connection->quiet_since());
    };
    const auto victim = std::ranges::min_element(connections, {}, rank);
    if (victim == connections.end() || (*victim)->closed() || (*victim)->at_work()) {
        return false;
    }
    ++counts.crowded_out;
    (*victim)->close();
    return true;
}

asio::awaitable<void> HttpServer::State::serve(Connections::iterator place) {
    // The server may go while this runs; what the connection refers to must not.
    const auto self = shared_from_this();
    const auto& connection = *place;
    try {
        co_await connection->run();
    } catch (const std::exception& error) {
        log::error("HTTP_CONNECTION_FAILED", "a client's connection ended by a bug, please report it",
                   {{"error", error.what()}});
        connection->close();
    }
    connections.erase(place);
}

void HttpServer::State::stop() {
    if (stopped) {
        return;
    }
    stopped = true;
    boost::system::error_code ignored;
    acceptor.close(ignored);
    for (const auto& connection : connections) {
        connection->close();
    }
    if (file && file == file_id(path)) {
        ::unlink(path.c_str());
    }
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {
    asio::co_spawn(
        state_->acceptor.get_executor(),
        [](std::shared_ptr<State> running) -> asio::awaitable<void> {
            co_await running->accept_all();
        }(state_),
        asio::detached);
}

HttpServer::HttpServer(HttpServer&&) noexcept = default;

HttpServer& HttpServer::operator=(HttpServer&& other) noexcept {
    if (this != &other) {
        if (state_) {
            state_->stop();
        }
        state_ = std::move(other.state_);
    }
    return *this;
}

HttpServer::~HttpServer() {
    if (state_) {
        state_->stop();
    }
}

Result<HttpServer> HttpServer::listen_unix(const asio::any_io_executor& executor,
                                           const std::filesystem::path& path, mode_t mode, Handler handler,
                                           HttpLimits limits, Admit admit, BodyLimit body_limit) {
    auto listener = sekisho::listen_unix({.path = path, .mode = mode, .group = {}});
    if (!listener) {
        return std::unexpected(listener.error());
    }
    auto server = adopt(executor, std::move(*listener), std::move(handler), limits, std::move(admit),
                        std::move(body_limit));
    server.state_->path = path;
    server.state_->file = file_id(path);
    return server;
}

Result<HttpServer> HttpServer::listen_tcp(const asio::any_io_executor& executor, const Address& address,
                                          std::uint16_t port, Handler handler, HttpLimits limits,
                                          Admit admit) {
    auto listener = sekisho::listen_tcp({.address = address, .port = port});
    if (!listener) {
        return std::unexpected(listener.error());
    }
    return adopt(executor, std::move(*listener), std::move(handler), limits, std::move(admit));
}

HttpServer HttpServer::adopt(const asio::any_io_executor& executor, Descriptor listener, Handler handler,
                             HttpLimits limits, Admit admit, BodyLimit body_limit) {
    return HttpServer(std::make_shared<State>(executor, std::move(listener), std::move(handler), limits,
                                              std::move(admit), std::move(body_limit)));
}

void HttpServer::stop() {
    state_->stop();
}

std::uint16_t HttpServer::port() const {
    return state_->port;
}

HttpCounts HttpServer::counts() const {
    return state_->counts;
}

std::size_t HttpServer::connections() const {
    return state_->connections.size();
}

}  // namespace sekisho::api
