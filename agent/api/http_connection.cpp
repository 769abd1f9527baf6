// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 (RFC 9112) for one client, by Boost.Beast.
#include "agent/api/http_connection.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/read_size.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <iterator>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"

namespace sekisho::api {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using RequestParser = http::request_parser<http::string_body>;

// How long, and for how much more data, a client that was turned down is listened to: closing at once would
// reset the connection and the client might never see the answer.
constexpr std::chrono::milliseconds linger_time{1000};
constexpr std::chrono::seconds once_more{1};
constexpr std::size_t most_at_once = 65'536;
constexpr std::size_t linger_bytes = std::size_t{1024} * 1024;

// Of a request whose header section has been read: what comes behind a chunked body (a trailer, RFC 9112,
// 7.1.2) is no header, or it could add an API key that a proxy in front has never seen.
Request request_of(const RequestParser& parser, const Peer& peer) {
    const auto& message = parser.get();
    Request request;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string::npos ? std::string() : target.substr(question + 1);
    for (const auto& field : message) {
        request.headers.emplace_back(field.name_string(), field.value());
    }
    request.peer = peer;
    return request;
}

http::response<http::string_body> message_of(Response response, unsigned version, bool keep_alive,
                                             bool head) {
    http::response<http::string_body> message;
    message.version(version);
    message.result(static_cast<unsigned>(response.status));
    message.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : response.headers) {
        message.insert(name, value);
    }
    message.keep_alive(keep_alive);
    const bool without_body = response.status == 204 || response.status == 304;
    if (!without_body) {
        message.set(http::field::content_type, response.content_type);
        message.content_length(response.body.size());
        if (!head) {
            message.body() = std::move(response.body);
        }
    }
    return message;
}

// An answer of the server itself, in the form of the API's errors.
std::string plain_answer(int status, const char* kind, const char* what) {
    const std::string body =
        std::string(R"({"error":{"kind":")") + kind + R"(","what":")" + what + R"(","remedy":""}})";
    const auto reason = http::obsolete_reason(static_cast<http::status>(status));
    return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) +
           "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Whether it is certain where the body ends (RFC 9112, 6.3): two readings of one request are how requests are
// smuggled past a proxy.
bool is_framed_clearly(const RequestParser& parser) {
    const auto& message = parser.get();
    const auto [first, last] = message.equal_range(http::field::transfer_encoding);
    if (first == last) {
        return true;
    }
    constexpr unsigned http_1_1 = 11;
    return std::next(first) == last && boost::beast::iequals(first->value(), "chunked") &&
           message.version() >= http_1_1 && message.count(http::field::content_length) == 0;
}

bool is_too_large_header(const boost::system::error_code& error) {
    return error == http::error::header_limit || error == http::error::buffer_overflow;
}

bool is_malformed(const boost::system::error_code& error) {
    return error.category() == http::make_error_code(http::error::bad_method).category() &&
           error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace

struct HttpConnection::Exchange {
    boost::beast::flat_buffer& buffer;  // may hold the beginning of the next request
    RequestParser parser;
    Request request;
};

HttpConnection::HttpConnection(Socket socket, const Peer& peer, Environment environment)
    : socket_(std::move(socket)),
      peer_(peer),
      environment_(environment),
      timer_(socket_.get_executor(), never) {}

void HttpConnection::enter(Phase phase) {
    phase_ = phase;
    since_ = Clock::now();
}

// The timer is set anew only if it would come too late: most requests are over before it comes at all.
void HttpConnection::limit_to(std::chrono::milliseconds time) {
    late_ = false;
    deadline_ = Clock::now() + time;
    if (deadline_ < timer_.expiry()) {
        wait_until(deadline_);
    }
}

void HttpConnection::wait_until(Clock::time_point when) {
    timer_.expires_at(when);
    timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
        const auto connection = self.lock();
        // A timer that was set anew may already have sent its old word on the way.
        if (error || !connection || connection->closed_ || connection->timer_.expiry() > Clock::now()) {
            return;
        }
        if (connection->deadline_ > Clock::now()) {
            connection->wait_until(connection->deadline_);
            return;
        }
        // What has just come may have been too fast to be cancelled; what waits next is, a second later.
        connection->wait_until(Clock::now() + once_more);
        connection->late_ = true;
        boost::system::error_code ignored;
        connection->socket_.cancel(ignored);
    });
}

void HttpConnection::close() {
    closed_ = true;
    timer_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<bool> HttpConnection::wait_for_request(Exchange& exchange) {
    enter(Phase::idle);
    if (exchange.buffer.size() == 0) {
        limit_to(environment_.limits.idle);
        const auto error = co_await receive(exchange);
        if (error || late_ || closed_) {
            co_return false;
        }
    }
    enter(Phase::reading);
    limit_to(environment_.limits.request);
    co_return true;
}

asio::awaitable<boost::system::error_code> HttpConnection::receive(Exchange& exchange) {
    const std::size_t room = boost::beast::read_size(exchange.buffer, most_at_once);
    if (room == 0) {
        co_return make_error_code(http::error::buffer_overflow);
    }
    auto [error, size] = co_await socket_.async_read_some(exchange.buffer.prepare(room), quietly);
    exchange.buffer.commit(size);
    if (error == asio::error::eof) {
        error = http::error::end_of_stream;
        if (exchange.parser.got_some()) {
            exchange.parser.put_eof(error);
        }
    }
    co_return error;
}

// Mostly all is there at once; Beast's own reading takes two turns of the loop for that.
asio::awaitable<boost::system::error_code> HttpConnection::parse(Exchange& exchange, bool whole) {
    RequestParser& parser = exchange.parser;
    parser.eager(whole);
    boost::system::error_code error;
    while (!error && !(whole ? parser.is_done() : parser.is_header_done())) {
        error = http::error::need_more;
        if (exchange.buffer.size() != 0) {
            exchange.buffer.consume(parser.put(exchange.buffer.data(), error));
        }
        if (error == http::error::need_more) {
            error = co_await receive(exchange);
        }
    }
    co_return error;
}

asio::awaitable<bool> HttpConnection::read(Exchange& exchange) {
    RequestParser& parser = exchange.parser;
    parser.header_limit(static_cast<std::uint32_t>(environment_.limits.header));
    parser.body_limit(boost::none);  // read_body() knows more
    auto error = co_await parse(exchange, false);
    if (!error && !is_framed_clearly(parser)) {
        ++environment_.counts.malformed;
        co_await turn_down(400, "invalid", "Transfer-Encoding must be chunked, without Content-Length");
        co_return false;
    }
    if (!error) {
        exchange.request = request_of(parser, peer_);
    }
    if (!error) {
        error = co_await read_body(exchange);
    }
    if (!error) {
        exchange.request.body = std::move(parser.get().body());
        co_return true;
    }
    co_await explain(error);
    co_return false;
}

asio::awaitable<boost::system::error_code> HttpConnection::read_body(Exchange& exchange) {
    RequestParser& parser = exchange.parser;
    const std::uint64_t most =
        environment_.body_limit ? environment_.body_limit(exchange.request) : environment_.limits.body;
    const std::uint64_t to_come = parser.content_length_remaining().value_or(0);
    if (to_come > most) {
        co_return make_error_code(http::error::body_limit);
    }
    parser.body_limit(most);  // what comes in chunks isn't announced
    if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue") && !parser.is_done()) {
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(go_on), quietly);
        if (error) {
            co_return error;
        }
    }
    // Else it is read 512 octets at a time.
    exchange.buffer.reserve(
        static_cast<std::size_t>(std::min<std::uint64_t>(to_come, environment_.limits.body)));
    co_return co_await parse(exchange, true);
}

asio::awaitable<void> HttpConnection::explain(boost::system::error_code error) {
    if (closed_) {
        co_return;
    }
    if (late_) {
        ++environment_.counts.slow;
        co_await turn_down(408, "invalid", "the request took too long");
    } else if (error == http::error::body_limit) {
        ++environment_.counts.malformed;
        co_await turn_down(413, "invalid", "the body is too large");
    } else if (is_too_large_header(error)) {
        ++environment_.counts.malformed;
        co_await turn_down(431, "invalid", "the header is too large");
    } else if (is_malformed(error)) {
        ++environment_.counts.malformed;
        co_await turn_down(400, "invalid", "this is not HTTP/1.1");
    }
}

asio::awaitable<void> HttpConnection::turn_down(int status, const char* kind, const char* what) {
    enter(Phase::writing);
    limit_to(linger_time);
    const std::string text = plain_answer(status, kind, what);
    auto [error, size] = co_await asio::async_write(socket_, asio::buffer(text), quietly);
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    std::array<char, 4096> waste{};
    std::size_t wasted = 0;
    while (!error && wasted < linger_bytes) {
        std::tie(error, size) = co_await socket_.async_read_some(asio::buffer(waste), quietly);
        wasted += size;
    }
}

asio::awaitable<Response> HttpConnection::answer(const Request& request) {
    ++environment_.counts.requests;
    Response response;
    try {
        response = co_await environment_.handler(request);
    } catch (const std::exception& error) {
        log::error("HTTP_HANDLER_FAILED", "a request could not be answered; this is a bug, please report it",
                   {{"client", peer_.text()}, {"path", request.path}, {"error", error.what()}});
        response = {};
        response.status = 500;
        response.body = R"({"error":{"kind":"unavailable","what":"internal error","remedy":"see the log"}})";
    }
    co_return response;
}

asio::awaitable<bool> HttpConnection::write(const Exchange& exchange, Response response) {
    const auto& asked = exchange.parser.get();
    const bool keep_alive = asked.keep_alive() && !response.close;
    const auto message =
        message_of(std::move(response), asked.version(), keep_alive, asked.method() == http::verb::head);
    enter(Phase::writing);
    limit_to(environment_.limits.request);
    const auto [error, size] = co_await http::async_write(socket_, message, quietly);
    if (late_) {
        ++environment_.counts.slow;
    }
    co_return !error && keep_alive;
}

asio::awaitable<void> HttpConnection::run() {
    boost::beast::flat_buffer buffer(environment_.limits.header + environment_.limits.body);
    bool more = true;
    while (more && !closed_) {
        Exchange exchange{buffer, {}, {}};
        more = co_await wait_for_request(exchange);
        if (more) {
            more = co_await read(exchange);
        }
        if (more) {
            enter(Phase::working);
            deadline_ = never;
            Response response = co_await answer(exchange.request);
            more = !closed_;
            if (more) {
                more = co_await write(exchange, std::move(response));
            }
        }
    }
    close();
}

}  // namespace sekisho::api
