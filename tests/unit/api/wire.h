// SPDX-License-Identifier: Apache-2.0
// Both ends of an HTTP connection: a server that runs on a thread of its own, and a client that writes raw
// bytes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/api/http_server.h"
#include "tests/unit/directory.h"

namespace sekisho::api::tests {

using sekisho::tests::Directory;

// An io_context that runs on a thread of its own.
class Runner {
public:
    Runner() : guard_(context_.get_executor()), thread_([this] { context_.run(); }) {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    ~Runner() {
        guard_.reset();
        context_.stop();
        thread_.join();
    }
    [[nodiscard]] boost::asio::io_context& context() { return context_; }

    // What `work` gives when it is run over there.
    template <class Work>
    auto on_thread(Work work) {
        std::packaged_task<decltype(work())()> task(std::move(work));
        auto result = task.get_future();
        boost::asio::post(context_, [&task] { task(); });
        return result.get();
    }

private:
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
    std::thread thread_;
};

// What came back: the header as text, and the body.
struct Reply {
    std::string head;
    std::string body;

    [[nodiscard]] int status() const { return head.size() > 12 ? std::atoi(head.c_str() + 9) : 0; }
};

// A client that sends what it is told and reads at most 30 s long.
class Wire {
public:
    explicit Wire(const std::filesystem::path& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        open(AF_UNIX, &address, sizeof address);
    }
    // A TCP port on the loopback address.
    Wire(Family family, std::uint16_t port) {
        if (family == Family::ipv4) {
            sockaddr_in four{};
            four.sin_family = AF_INET;
            four.sin_port = htons(port);
            four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            open(AF_INET, &four, sizeof four);
        } else {
            sockaddr_in6 six{};
            six.sin6_family = AF_INET6;
            six.sin6_port = htons(port);
            six.sin6_addr = in6addr_loopback;
            open(AF_INET6, &six, sizeof six);
        }
    }
    Wire(Wire&& other) noexcept
        : socket_(std::exchange(other.socket_, -1)), input_(std::move(other.input_)), ended_(other.ended_) {}
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    Wire& operator=(Wire&&) = delete;
    ~Wire() {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }

    // False if the server has closed.
    [[nodiscard]] bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    void end_of_sending() const { ::shutdown(socket_, SHUT_WR); }

    // The next answer, or nothing if the connection ended before it.
    std::optional<Reply> reply(bool without_body = false) {
        std::size_t end = 0;
        while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
            if (!read_more()) {
                return std::nullopt;
            }
        }
        Reply result{input_.substr(0, end + 2), {}};
        input_.erase(0, end + 4);
        const std::size_t length = without_body ? 0 : length_in(result.head);
        while (input_.size() < length) {
            if (!read_more()) {
                return std::nullopt;
            }
        }
        result.body = input_.substr(0, length);
        input_.erase(0, length);
        return result;
    }

    std::optional<Reply> ask(std::string_view request) { return send(request) ? reply() : std::nullopt; }

    // Whether the server closes without another byte.
    bool closes() { return input_.empty() && !read_more() && input_.empty() && ended_; }
    // Whether the server has nothing to say now.
    [[nodiscard]] bool silent() const {
        pollfd one{socket_, POLLIN, 0};
        return ::poll(&one, 1, 50) == 0;
    }

private:
    void open(int family, const void* address, socklen_t size) {
        socket_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(socket_, static_cast<const sockaddr*>(address), size) != 0) {
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        }
    }
    static std::size_t length_in(const std::string& head) {
        const auto at = head.find("Content-Length: ");
        return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    }
    bool read_more() {
        pollfd one{socket_, POLLIN, 0};
        if (::poll(&one, 1, 30'000) != 1) {
            return false;
        }
        std::array<char, 65536> buffer{};
        const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
        ended_ = got <= 0;
        input_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return got > 0;
    }

    int socket_ = -1;
    std::string input_;
    bool ended_ = false;
};

inline std::string get(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

inline std::string post(std::string_view target, std::string_view body) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

}  // namespace sekisho::api::tests
