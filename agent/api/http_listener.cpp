// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on, by plain system calls: Asio hides what is needed here.
#include "agent/api/http_listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace sekisho::api {
namespace {

constexpr int backlog = 512;

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;

    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] int release() { return std::exchange(number_, -1); }

private:
    int number_;
};

std::unexpected<Error> cannot_listen(const std::string& where, int code) {
    const std::string what = "can't listen on " + where + ": " + std::strerror(code);
    switch (code) {
        case EADDRINUSE:
            return fail(Failure::conflict, what, "another program has it: see ss -lntp, or choose another");
        case EADDRNOTAVAIL:
            return fail(Failure::unavailable, what,
                        "no interface of this host has that address: see ip address");
        case EACCES:
        case EPERM:
            return fail(Failure::unavailable, what, "start it as root, or by its systemd unit");
        case ENOENT:
        case ENOTDIR:
            return fail(Failure::unavailable, what, "create its directory");
        default:
            return fail(Failure::unavailable, what);
    }
}

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy_n(path.begin(), path.size(), std::begin(address.sun_path));
    return address;
}

const sockaddr* generic(const void* address) {
    return static_cast<const sockaddr*>(address);
}

// Makes room for a new socket file: removes one that nobody answers on any more.
Result<void> remove_stale(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>() : cannot_listen(path, errno);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(Failure::conflict, path + " is there and is no socket",
                    "move it away, or name another path");
    }
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = unix_address(path);
    // Anything but "refused" means that somebody holds it: a full backlog, for instance, is EAGAIN.
    if (probe.get() < 0 || ::connect(probe.get(), generic(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED) {
        return fail(Failure::conflict, "another process answers on " + path,
                    "stop it first: see ss -lxp, or systemctl status sekisho-agent");
    }
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Result<void>() : cannot_listen(path, errno);
}

struct TcpAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

TcpAddress tcp_address(const Address& address, std::uint16_t port) {
    TcpAddress result;
    if (address.family == Family::ipv4) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&four.sin_addr, address.bytes.data(), sizeof four.sin_addr);
        std::memcpy(&result.storage, &four, sizeof four);
        result.size = sizeof four;
    } else {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&six.sin6_addr, address.bytes.data(), sizeof six.sin6_addr);
        std::memcpy(&result.storage, &six, sizeof six);
        result.size = sizeof six;
    }
    return result;
}

struct Endpoint {
    std::optional<Address> address;
    std::uint16_t port = 0;
};

Endpoint endpoint_of(const sockaddr_storage& storage) {
    Endpoint result;
    if (storage.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &storage, sizeof four);
        result.address.emplace();
        std::memcpy(result.address->bytes.data(), &four.sin_addr, sizeof four.sin_addr);
        result.port = ntohs(four.sin_port);
    } else if (storage.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &storage, sizeof six);
        result.address = Address{Family::ipv6, {}};
        std::memcpy(result.address->bytes.data(), &six.sin6_addr, sizeof six.sin6_addr);
        result.port = ntohs(six.sin6_port);
    }
    return result;
}

}  // namespace

Result<int> open_unix_listener(const std::filesystem::path& path, mode_t mode) {
    const std::string name = path.string();
    if (name.empty() || name.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(Failure::invalid,
                    "the path of the socket, " + name + ", is empty or longer than 107 bytes",
                    "name a shorter one, such as /run/sekisho/agent.sock");
    }
    if (auto room = remove_stale(name); !room) {
        return std::unexpected(room.error());
    }
    Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = unix_address(name);
    // The file takes the socket's mode less the umask, and what is missing afterwards: it is never wider than
    // asked.
    if (listener.get() < 0 || ::fchmod(listener.get(), mode) != 0 ||
        ::bind(listener.get(), generic(&address), sizeof address) != 0) {
        return cannot_listen(name, errno);
    }
    if (::chmod(name.c_str(), mode) != 0 || ::listen(listener.get(), backlog) != 0) {
        const int code = errno;
        ::unlink(name.c_str());
        return cannot_listen(name, code);
    }
    return listener.release();
}

Result<int> open_tcp_listener(const Address& address, std::uint16_t port) {
    const bool six = address.family == Family::ipv6;
    const std::string name =
        (six ? "[" + address.text() + "]" : address.text()) + ":" + std::to_string(port) + " (TCP)";
    Descriptor listener(::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const TcpAddress at = tcp_address(address, port);
    // Without IPV6_V6ONLY "::" would take the IPv4 port, too, which nobody has asked for.
    if (listener.get() < 0 || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (six && ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        ::bind(listener.get(), generic(&at.storage), at.size) != 0 ||
        ::listen(listener.get(), backlog) != 0) {
        return cannot_listen(name, errno);
    }
    return listener.release();
}

std::uint16_t port_of(int listener) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    // sockaddr is the kernel's base of all address types.
    return ::getsockname(listener, reinterpret_cast<sockaddr*>(&storage), &size) == 0
               ? endpoint_of(storage).port
               : 0;
}

Peer peer_of(int connection) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Peer peer;
    if (::getpeername(connection, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
        return peer;
    }
    if (storage.ss_family == AF_UNIX) {
        ucred credentials{};
        socklen_t length = sizeof credentials;
        if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
            peer.user = credentials.uid;
        }
        return peer;
    }
    const Endpoint endpoint = endpoint_of(storage);
    peer.address = endpoint.address;
    peer.port = endpoint.port;
    return peer;
}

}  // namespace sekisho::api
