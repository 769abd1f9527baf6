// SPDX-License-Identifier: Apache-2.0
// A server whose answers say what was asked, with gates that tests open.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

#include "agent/api/http_server.h"
#include "tests/unit/api/wire.h"

namespace sekisho::api::tests {

// "/wait" is answered when open_gate() is called, "/throw" fails, "/large" has 16 MiB, "/gone" is 204,
// "/close" ends the connection; all others are answered with "METHOD PATH?QUERY BODY".
class EchoServer {
public:
    explicit EchoServer(HttpLimits limits = {}, HttpServer::Admit admit = {},
                        HttpServer::BodyLimit body_limit = {})
        : path(directory_ / "socket"),
          gate_(runner_.context(), boost::asio::steady_timer::time_point::max()) {
        auto server = runner_.on_thread([&] {
            return HttpServer::listen_unix(
                runner_.context().get_executor(), path, 0600,
                [this](const Request& request) { return answer(request); }, limits, std::move(admit),
                std::move(body_limit));
        });
        server_.emplace(std::move(server).value());
    }
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;
    // NOLINTNEXTLINE(bugprone-exception-escape): what is thrown here ends the tests, as it should
    ~EchoServer() {
        open_gate();
        runner_.on_thread([this] { server_.reset(); });
    }

    [[nodiscard]] Wire client() const { return Wire(path); }
    [[nodiscard]] HttpCounts counts() {
        return runner_.on_thread([this] { return server_->counts(); });
    }
    [[nodiscard]] std::size_t connections() {
        return runner_.on_thread([this] { return server_->connections(); });
    }
    void stop() {
        runner_.on_thread([this] { server_->stop(); });
    }
    void open_gate() {
        runner_.on_thread([this] { gate_.cancel(); });
    }
    // Waits until so many clients wait at the gate.
    void await_waiting(int count) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (runner_.on_thread([this] { return waiting_; }) < count) {
            if (std::chrono::steady_clock::now() > end) {
                throw std::runtime_error("nobody waits");
            }
            std::this_thread::yield();
        }
    }
    // Waits until so many connections are open.
    [[nodiscard]] bool await_connections(std::size_t count) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (connections() != count) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

private:
    Directory directory_;

public:
    const std::filesystem::path path;

private:
    boost::asio::awaitable<Response> answer(const Request& request) {
        Response response;
        response.content_type = "text/plain";
        if (request.path == "/wait") {
            ++waiting_;
            co_await gate_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
            --waiting_;
        } else if (request.path == "/throw") {
            throw std::runtime_error("on purpose");
        } else if (request.path == "/large") {
            response.body.assign(std::size_t{16} * 1024 * 1024, 'x');
            co_return response;
        } else if (request.path == "/gone") {
            response.status = 204;
        } else if (request.path == "/close") {
            response.close = true;
        }
        if (request.path == "/key") {
            response.body = "key " + std::string(request.header("X-API-Key").value_or("missing"));
            co_return response;
        }
        response.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
        co_return response;
    }

    Runner runner_;
    boost::asio::steady_timer gate_;
    int waiting_ = 0;
    std::optional<HttpServer> server_;
};

}  // namespace sekisho::api::tests
