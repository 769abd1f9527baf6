// SPDX-License-Identifier: Apache-2.0
// One client of an HttpServer. Internal to this room.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <memory>

#include "agent/api/http_server.h"

namespace sekisho::api {

// Reads requests, has them answered, writes the answers, and keeps the client within its limits.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Clock = std::chrono::steady_clock;

    // What the server owns; it outlives the connection's coroutine.
    struct Environment {
        const HttpServer::Handler& handler;
        const HttpLimits& limits;
        const HttpServer::BodyLimit& body_limit;  // may be empty
        HttpCounts& counts;
    };

    HttpConnection(Socket socket, const Peer& peer, Environment environment);

    // Serves until the client or close() ends it.
    [[nodiscard]] boost::asio::awaitable<void> run();

    // Ends the connection at once. An answer being made is thrown away.
    void close();

    // Whether it has ended, though its coroutine may have a last turn to take.
    [[nodiscard]] bool closed() const { return closed_; }
    // Whether a handler is at work for it: such a connection isn't closed to make room.
    [[nodiscard]] bool at_work() const { return phase_ == Phase::working; }
    // Whether it is between two requests.
    [[nodiscard]] bool idle() const { return phase_ == Phase::idle; }
    // When it began to wait for the client.
    [[nodiscard]] Clock::time_point quiet_since() const { return since_; }

private:
    enum class Phase { idle, reading, working, writing };
    struct Exchange;

    void enter(Phase phase);
    // Gives the phase so much time.
    void limit_to(std::chrono::milliseconds time);
    void wait_until(Clock::time_point when);
    [[nodiscard]] boost::asio::awaitable<bool> wait_for_request(Exchange& exchange);
    // Reads what has come, or comes next.
    [[nodiscard]] boost::asio::awaitable<boost::system::error_code> receive(Exchange& exchange);
    // Reads until the header section is whole, or all of the request.
    [[nodiscard]] boost::asio::awaitable<boost::system::error_code> parse(Exchange& exchange, bool whole);
    [[nodiscard]] boost::asio::awaitable<bool> read(Exchange& exchange);
    [[nodiscard]] boost::asio::awaitable<boost::system::error_code> read_body(Exchange& exchange);
    // Tells the client why its request could not be read.
    [[nodiscard]] boost::asio::awaitable<void> explain(boost::system::error_code error);
    [[nodiscard]] boost::asio::awaitable<Response> answer(const Request& request);
    [[nodiscard]] boost::asio::awaitable<bool> write(const Exchange& exchange, Response response);
    [[nodiscard]] boost::asio::awaitable<void> turn_down(int status, const char* kind, const char* what);

    Socket socket_;
    Peer peer_;
    Environment environment_;
    static constexpr Clock::time_point never = Clock::time_point::max();
    Clock::time_point deadline_ = never;
    boost::asio::steady_timer timer_;  // comes at the deadline or before
    Phase phase_ = Phase::idle;
    Clock::time_point since_ = Clock::now();
    bool closed_ = false;
    bool late_ = false;  // the running phase's time is over
};

}  // namespace sekisho::api
