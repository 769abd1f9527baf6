// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server for programs, on a Unix or a TCP socket: small requests, keep-alive, pipelining, hard
// limits.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/descriptor.h"
#include "agent/base/result.h"

namespace sekisho::api {

// Who is at the other end: an address and port on TCP, a user on a Unix socket (SO_PEERCRED).
struct Peer {
    std::optional<Address> address;
    std::uint16_t port = 0;
    std::optional<uid_t> user;

    // "192.0.2.1:4711", "[2001:db8::1]:4711" or "uid 1000", for logs.
    [[nodiscard]] std::string text() const;
};

struct Request {
    std::string method;  // "GET"
    std::string path;    // before the "?", still percent-encoded
    std::string query;   // behind it, still percent-encoded
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    Peer peer;

    // The value of the first header of this name (any case), or nothing.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

struct Response {
    int status = 200;  // 204 and 304 have no body
    std::string body;
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;  // more of them, such as Allow
    bool close = false;                                        // end the connection after this answer
};

// What a client may take. Beyond them it is answered 413 (body), 431 (header) or 408 (time), and closed.
struct HttpLimits {
    std::size_t body = std::size_t{64} * 1024;
    std::size_t header = std::size_t{8} * 1024;
    std::chrono::milliseconds request{
        10'000};  // from a request's first byte to its last; and for reading the answer
    std::chrono::milliseconds idle{120'000};  // between requests
    std::size_t connections = 256;            // one more closes the one that has been silent longest
};

// What has happened since the start, for metrics.
struct HttpCounts {
    std::uint64_t connections = 0;  // accepted
    std::uint64_t requests = 0;     // handed to the handler
    std::uint64_t malformed = 0;    // not HTTP, or over a limit of size
    std::uint64_t slow = 0;         // over a limit of time
    std::uint64_t crowded_out = 0;  // closed to make room
    std::uint64_t turned_away = 0;  // refused by `admit`, or because all connections were at work
};

// A listener and its connections. Runs on one thread's executor; the answers to one connection's requests are
// made one after the other, those of different connections interleave wherever a handler awaits.
class HttpServer {
public:
    // Makes the answer to one request, which lives until the handler is done. An exception is answered with
    // 500.
    using Handler = std::function<boost::asio::awaitable<Response>(const Request&)>;
    // Says whether a client may speak at all; closed without an answer if not.
    using Admit = std::function<bool(const Peer&)>;
    // How large a request's body may be, by all that is known before it is read: a few requests may bring
    // more than limits.body, without everybody's being taken into memory up to that size.
    using BodyLimit = std::function<std::size_t(const Request&)>;

    // Listens on a Unix socket with this mode. A socket file that nobody answers on is replaced.
    // Failure::conflict if somebody does, or if the path is something else than a socket; Failure::invalid
    // for a path over 107 bytes.
    [[nodiscard]] static Result<HttpServer> listen_unix(const boost::asio::any_io_executor& executor,
                                                        const std::filesystem::path& path, mode_t mode,
                                                        Handler handler, HttpLimits limits = {},
                                                        Admit admit = {}, BodyLimit body_limit = {});

    // Listens on a TCP address; port 0 takes a free one. Failure::conflict if the port is taken.
    [[nodiscard]] static Result<HttpServer> listen_tcp(const boost::asio::any_io_executor& executor,
                                                       const Address& address, std::uint16_t port,
                                                       Handler handler, HttpLimits limits = {},
                                                       Admit admit = {});

    // Takes over a socket that is listening already. Its file, if it has one, is left to whoever made it.
    [[nodiscard]] static HttpServer adopt(const boost::asio::any_io_executor& executor, Descriptor listener,
                                          Handler handler, HttpLimits limits = {}, Admit admit = {},
                                          BodyLimit body_limit = {});

    HttpServer(HttpServer&&) noexcept;
    HttpServer& operator=(HttpServer&&) noexcept;
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    // As stop().
    ~HttpServer();

    // Closes the listener and all connections and removes the socket file if it is still this one's. A
    // handler that is awaiting something goes on to its end; its answer is thrown away.
    void stop();

    // The TCP port listened on; 0 for a Unix socket.
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] HttpCounts counts() const;
    // Connections open now.
    [[nodiscard]] std::size_t connections() const;

private:
    // Shared with the connections' coroutines, which may outlive this object by a turn of the executor.
    struct State;
    explicit HttpServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::api
