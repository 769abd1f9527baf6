// SPDX-License-Identifier: Apache-2.0
// Sockets that never wait longer than a test should.
#include "tests/bpf/conversation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

namespace sekisho::bpftest {
namespace {

constexpr int patience_ms = 3000;

void require(bool good, const char* what) {
    if (good) {
        return;
    }
    std::cerr << what << ": " << std::strerror(errno) << '\n';
    std::abort();
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& address, std::uint16_t port) {
    const auto octets = octets_of(address);
    SocketAddress result;
    if (octets.size() == 4) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&four.sin_addr, octets.data(), octets.size());
        std::memcpy(&result.storage, &four, sizeof(four));
        result.size = sizeof(four);
    } else {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&six.sin6_addr, octets.data(), octets.size());
        std::memcpy(&result.storage, &six, sizeof(six));
        result.size = sizeof(six);
    }
    return result;
}

bool ready(int descriptor, short events) {
    pollfd waited{.fd = descriptor, .events = events, .revents = 0};
    return poll(&waited, 1, patience_ms) == 1;
}

int pending_error(int descriptor) {
    int error = 0;
    socklen_t size = sizeof(error);
    require(getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0, "SO_ERROR");
    return error;
}

std::uint8_t pattern(std::size_t place) {
    return static_cast<std::uint8_t>(place * 7 + (place >> 11));
}

}  // namespace

Socket::~Socket() {
    if (descriptor_ >= 0) {
        close(descriptor_);
    }
}

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

Socket tcp_socket(const std::string& address, const std::vector<Option>& options) {
    const int family = octets_of(address).size() == 4 ? AF_INET : AF_INET6;
    Socket made(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    require(made.get() >= 0, "a TCP socket");
    for (const auto& option : options) {
        require(setsockopt(made.get(), option.level, option.name, option.value.data(),
                           static_cast<socklen_t>(option.value.size())) == 0,
                "setting a socket's option");
    }
    return made;
}

int connect_to(const Socket& socket, const std::string& address, std::uint16_t port) {
    const auto to = socket_address(address, port);
    if (connect(socket.get(), to.get(), to.size) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    return ready(socket.get(), POLLOUT) ? pending_error(socket.get()) : ETIMEDOUT;
}

Socket listen_at(const std::string& address, std::uint16_t port) {
    auto made = tcp_socket(address);
    const auto at = socket_address(address, port);
    const int on = 1;
    require(setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "SO_REUSEADDR");
    require(bind(made.get(), at.get(), at.size) == 0, "binding a listener");
    require(listen(made.get(), 16) == 0, "listening");
    return made;
}

Socket accept_from(const Socket& listener) {
    if (!ready(listener.get(), POLLIN)) {
        return Socket{};
    }
    return Socket(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

Transfer transfer(const Socket& from, const Socket& to, std::size_t size) {
    Bytes out(1U << 18);
    Bytes in(out.size());
    std::size_t sent = 0;
    Transfer done;
    while (done.right < size) {
        if (sent < size) {
            const auto chunk = std::min(out.size(), size - sent);
            for (std::size_t i = 0; i < chunk; i++) {
                out[i] = pattern(sent + i);
            }
            const auto written = send(from.get(), out.data(), chunk, MSG_NOSIGNAL);
            if (written < 0 && errno != EAGAIN) {
                done.error = errno;
                return done;
            }
            sent += written > 0 ? static_cast<std::size_t>(written) : 0;
        }
        std::array<pollfd, 2> ends{pollfd{.fd = to.get(), .events = POLLIN, .revents = 0},
                                   pollfd{.fd = from.get(), .events = 0, .revents = 0}};
        const int events = poll(ends.data(), ends.size(), patience_ms);
        if (events <= 0 || (ends[0].revents & POLLIN) == 0) {
            const int error = pending_error(from.get());
            done.error = error != 0 ? error : ETIMEDOUT;
            return done;
        }
        const auto got = recv(to.get(), in.data(), in.size(), 0);
        for (ssize_t i = 0; i < got; i++, done.right++) {
            if (in[static_cast<std::size_t>(i)] != pattern(done.right)) {
                done.error = EBADMSG;
                return done;
            }
        }
    }
    return done;
}

}  // namespace sekisho::bpftest
