// SPDX-License-Identifier: Apache-2.0
// The client: one request over a Unix socket, each wait bounded by one deadline, the answer read by Beast's
// parser.
#include "agent/api/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "agent/base/descriptor.h"

namespace sekisho::api {

namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;
using ResponseParser = http::response_parser<http::string_body>;

constexpr std::uint64_t largest_answer = std::uint64_t{64} * 1024 * 1024;

std::string words(int error) {
    return std::error_code(error, std::generic_category()).message();
}

// Who was to answer, and where.
struct Target {
    std::string path;
    Service service;
};

// Why nobody can be reached, and what an operator does about it.
std::unexpected<Error> unreachable(const Target& target, int error) {
    const std::string what = "can't reach " + target.service.what + " at " + target.path + ": ";
    const std::string& unit = target.service.unit;
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return fail(Failure::unavailable, what + "no such file",
                        "is " + target.service.program + " running? systemctl status " + unit +
                            ", or name the socket by --socket");
        case EACCES:
        case EPERM:
            return fail(Failure::unavailable, what + "permission denied",
                        "run as root or as one of api.operators/api.viewers");
        case ECONNREFUSED:
            return fail(Failure::unavailable, what + "nobody listens there",
                        target.service.program + " has ended; see journalctl -u " + unit +
                            ", start it by systemctl start " + unit);
        case EAGAIN:
        case ETIMEDOUT:
            return fail(Failure::unavailable,
                        target.service.what + " at " + target.path + " doesn't answer in time",
                        "see journalctl -u " + unit + "; systemctl restart " + unit + " loses nothing");
        default:
            return fail(Failure::unavailable, what + words(error), "see journalctl -u " + unit);
    }
}

std::unexpected<Error> broken_answer(const Target& target, const std::string& how) {
    return fail(
        Failure::unavailable, "the answer of " + target.path + " can't be used: " + how,
        "is that the socket of " + target.service.program + "? see journalctl -u " + target.service.unit);
}

// Waits until the socket is ready for `events`; 0, or the errno.
int wait_for(int socket, short events, Clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd one{.fd = socket, .events = events, .revents = 0};
        const int ready = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000)));
        if (ready > 0) {
            return 0;
        }
        if (ready == 0) {
            if (Clock::now() >= deadline) {
                return ETIMEDOUT;
            }
        } else if (errno != EINTR) {
            return errno;
        }
    }
}

Result<Descriptor> connect_to(const Target& target, std::chrono::seconds limit) {
    const std::string& path = target.path;
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path) {
        return fail(Failure::invalid, "a socket's path has 1 to 107 bytes: " + path);
    }
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) {
        return unreachable(target, errno);
    }
    // Bounds connect(), which waits where the listener's queue is full.
    const timeval patience{.tv_sec = limit.count(), .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        if (errno != EINTR) {
            return unreachable(target, errno);
        }
    }
    return socket;
}

// 0, or the errno. A peer that has closed is no error here: it may have answered before it did.
int send_all(int socket, std::string_view bytes, Clock::time_point deadline) {
    while (!bytes.empty()) {
        if (const int error = wait_for(socket, POLLOUT, deadline); error != 0) {
            return error;
        }
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return 0;
        } else if (errno != EINTR && errno != EAGAIN) {
            return errno;
        }
    }
    return 0;
}

// Hands the parser what it can use of `pending`, and keeps the rest for later.
boost::system::error_code feed(ResponseParser& parser, std::string& pending) {
    boost::system::error_code error;
    while (!pending.empty() && !parser.is_done()) {
        const std::size_t used = parser.put(boost::asio::buffer(pending), error);
        pending.erase(0, used);
        if (error == http::error::need_more) {
            return {};
        }
        if (error || used == 0) {
            return error;
        }
    }
    return error;
}

Result<void> read_answer(int socket, ResponseParser& parser, const Target& target,
                         Clock::time_point deadline) {
    std::array<char, 16384> piece{};
    std::string pending;
    while (!parser.is_done()) {
        if (const int error = wait_for(socket, POLLIN, deadline); error != 0) {
            return unreachable(target, error);
        }
        const ssize_t got = ::recv(socket, piece.data(), piece.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got < 0 && errno != ECONNRESET) {
            return unreachable(target, errno);
        }
        boost::system::error_code error;
        if (got > 0) {
            pending.append(piece.data(), static_cast<std::size_t>(got));
            error = feed(parser, pending);
        } else {
            if (!parser.got_some()) {
                return broken_answer(target, "closed without an answer");
            }
            parser.put_eof(error);
        }
        if (error == http::error::body_limit) {
            return broken_answer(target, "over 64 MiB");
        }
        if (error || (got <= 0 && !parser.is_done())) {
            return broken_answer(target, error ? error.message() : "cut off");
        }
    }
    return {};
}

// The request's bytes. Failure::invalid for what would be read as something else than one request.
Result<std::string> request_text(std::string_view method, std::string_view target, std::string_view body) {
    const auto unfit = [](char letter) { return letter <= ' ' || letter == '\x7f'; };
    if (method.empty() || target.empty() || std::ranges::any_of(method, unfit) ||
        std::ranges::any_of(target, unfit)) {
        return fail(Failure::invalid, "a request's method and target are visible ASCII text without blanks");
    }
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if (!body.empty() || method != "GET") {
        text.append("Content-Type: application/json\r\nContent-Length: ");
        text.append(std::to_string(body.size())).append("\r\n");
    }
    return text.append("\r\n").append(body);
}

// Text of an object's member, or nothing.
std::string member(const boost::json::object& object, std::string_view key) {
    const boost::json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Failure failure_named(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, Failure>, 5> names{{
        {"invalid", Failure::invalid},
        {"refused", Failure::refused},
        {"not_found", Failure::not_found},
        {"conflict", Failure::conflict},
        {"unavailable", Failure::unavailable},
    }};
    const auto* const found = std::ranges::find(names, name, &std::pair<std::string_view, Failure>::first);
    return found == names.end() ? Failure::unavailable : found->second;
}

Client::Client(std::filesystem::path socket, std::chrono::seconds limit, Service service)
    : socket_(std::move(socket)), limit_(limit), service_(std::move(service)) {}

Result<Answer> Client::request(std::string_view method, std::string_view target,
                               std::string_view body) const {
    const auto deadline = Clock::now() + limit_;
    const Target to{.path = socket_.string(), .service = service_};
    const auto text = request_text(method, target, body);
    if (!text) {
        return std::unexpected(text.error());
    }
    const auto socket = connect_to(to, limit_);
    if (!socket) {
        return std::unexpected(socket.error());
    }
    if (const int error = send_all(socket->get(), *text, deadline); error != 0) {
        return unreachable(to, error);
    }
    ResponseParser parser;
    parser.eager(true);
    parser.body_limit(largest_answer);
    parser.skip(method == "HEAD");
    if (const auto read = read_answer(socket->get(), parser, to, deadline); !read) {
        return std::unexpected(read.error());
    }
    auto message = parser.release();
    return Answer{.status = static_cast<int>(message.result_int()), .body = std::move(message.body())};
}

Result<std::string> check(const Answer& answer, const Service& service) {
    if (answer.status >= 200 && answer.status < 300) {
        return answer.body;
    }
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(answer.body, error);
    if (!error && value.is_object()) {
        const boost::json::value* const inner = value.get_object().if_contains("error");
        if (inner != nullptr && inner->is_object() && !member(inner->get_object(), "what").empty()) {
            const boost::json::object& said = inner->get_object();
            return fail(failure_named(member(said, "kind")), member(said, "what"), member(said, "remedy"));
        }
    }
    return fail(Failure::unavailable, service.what + " answered with status " + std::to_string(answer.status),
                "see journalctl -u " + service.unit);
}

std::string encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string result;
    for (const char letter : text) {
        if (plain.find(letter) != std::string_view::npos) {
            result += letter;
        } else {
            const auto byte = static_cast<unsigned char>(letter);
            result += {'%', digits[byte >> 4U], digits[byte & 15U]};
        }
    }
    return result;
}

}  // namespace sekisho::api
