// SPDX-License-Identifier: Apache-2.0
// A stand-in for the agent: a real listener on a Unix socket in a directory of its own, that answers with
// given bytes and remembers what it was asked.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/directory.h"

namespace sekisho::tests {

// What came in: "POST /v1/grants" and its body.
struct Asked {
    std::string line;
    std::string body;
};

// An answer as bytes.
inline std::string answer(int status, std::string_view body) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " Words\r\nServer: stand-in\r\n";
    if (status != 204) {
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return text.append("\r\n").append(body);
}

class StandIn {
public:
    // Makes the bytes that are sent back; then the connection is closed.
    using Reply = std::function<std::string(const Asked&)>;

    StandIn(std::filesystem::path path, Reply reply) : path_(std::move(path)), reply_(std::move(reply)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path_.string().copy(name.sun_path, sizeof name.sun_path - 1);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
            ::listen(listener_, 8) != 0 || ::pipe(stop_) != 0) {
            throw std::runtime_error("can't listen on " + path_.string());
        }
        thread_ = std::thread([this] { serve(); });
    }
    StandIn(const StandIn&) = delete;
    StandIn& operator=(const StandIn&) = delete;
    ~StandIn() {
        ::close(stop_[1]);
        thread_.join();
        ::close(stop_[0]);
        ::close(listener_);
        ::unlink(path_.c_str());
    }

    [[nodiscard]] std::vector<Asked> asked() const {
        const std::scoped_lock lock(mutex_);
        return asked_;
    }

private:
    // Waits for `descriptor`; false once the end has come.
    [[nodiscard]] bool readable(int descriptor) const {
        pollfd both[2] = {{descriptor, POLLIN, 0}, {stop_[0], POLLIN, 0}};
        while (::poll(both, 2, -1) < 0 && errno == EINTR) {
        }
        return both[1].revents == 0;
    }

    void serve() {
        while (readable(listener_)) {
            const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            const Asked one = read_request(connection);
            {
                const std::scoped_lock lock(mutex_);
                asked_.push_back(one);
            }
            std::string bytes = reply_(one);
            if (bytes == silence) {
                static_cast<void>(readable(connection));  // until the client gives up
                bytes.clear();
            }
            for (std::string_view rest = bytes; !rest.empty();) {
                const ssize_t sent = ::send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
                if (sent <= 0) {
                    break;
                }
                rest.remove_prefix(static_cast<std::size_t>(sent));
            }
            ::close(connection);
        }
    }

    [[nodiscard]] Asked read_request(int connection) const {
        std::string text;
        std::size_t whole = std::string::npos;
        while (text.size() < whole && readable(connection)) {
            char piece[4096];
            const ssize_t got = ::recv(connection, piece, sizeof piece, 0);
            if (got <= 0) {
                break;
            }
            text.append(piece, static_cast<std::size_t>(got));
            if (const auto end = text.find("\r\n\r\n"); end != std::string::npos) {
                whole = end + 4;
                if (const auto length = text.find("Content-Length: "); length < end) {
                    whole += std::strtoul(text.c_str() + length + 16, nullptr, 10);
                }
            }
        }
        const auto end = text.find("\r\n\r\n");
        const auto line = text.substr(0, text.find(" HTTP/1.1\r\n"));
        return {.line = line, .body = end == std::string::npos ? "" : text.substr(end + 4)};
    }

public:
    // What a Reply returns to keep the client waiting.
    static constexpr std::string_view silence = "(silence)";

private:
    std::filesystem::path path_;
    Reply reply_;
    int listener_ = -1;
    int stop_[2] = {-1, -1};
    mutable std::mutex mutex_;
    std::vector<Asked> asked_;
    std::thread thread_;
};

}  // namespace sekisho::tests
