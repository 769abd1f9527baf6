// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on, by plain system calls: Asio hides what is needed here.
#include "agent/base/listener.h"

#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "agent/base/systemd.h"

namespace sekisho {

namespace {

constexpr int backlog = 512;

std::unexpected<Error> cannot_listen(const std::string& where, int code) {
    const std::string what = "can't listen on " + where + ": " + std::strerror(code);
    switch (code) {
        case EADDRINUSE:
            return fail(Failure::conflict, what, "another program has it: see ss -lntup, or choose another");
        case EACCES:
        case EPERM:
            return fail(
                Failure::unavailable, what,
                "start it as root, or by its systemd unit; a port below 1024 needs CAP_NET_BIND_SERVICE");
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
Result<void> remove_stale(const std::string& path, int type) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>() : cannot_listen(path, errno);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(Failure::conflict, path + " is there and is no socket",
                    "move it away, or name another path");
    }
    const Descriptor probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = unix_address(path);
    // Anything but "refused" means that somebody holds it: a full backlog, for instance, is EAGAIN.
    if (!probe || ::connect(probe.get(), generic(&address), sizeof address) == 0 || errno != ECONNREFUSED) {
        return fail(Failure::conflict, "another process answers on " + path,
                    "stop it first: see ss -lxp, or systemctl list-units 'sekisho-*'");
    }
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Result<void>() : cannot_listen(path, errno);
}

// Gives the socket file to a group, so that the group's members may connect.
Result<void> give_to_group(const std::string& path, const std::string& group) {
    std::array<char, 4096> buffer{};
    ::group entry{};
    ::group* found = nullptr;
    if (::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return fail(Failure::invalid, "there is no group " + group, "create it: groupadd --system " + group);
    }
    if (::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
        return cannot_listen(path, errno);
    }
    return {};
}

}  // namespace

Result<Descriptor> listen_unix(const UnixListener& wanted) {
    const std::string name = wanted.path.string();
    if (name.empty() || name.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(Failure::invalid,
                    "the path of the socket, " + name + ", is empty or longer than 107 bytes",
                    "name a shorter one, such as /run/sekisho/agent.sock");
    }
    if (auto room = remove_stale(name, wanted.type); !room) {
        return std::unexpected(room.error());
    }
    Descriptor listener(::socket(AF_UNIX, wanted.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = unix_address(name);
    // The file takes the socket's mode less the umask, and what is missing afterwards: it is never wider than
    // asked.
    if (!listener || ::fchmod(listener.get(), wanted.mode) != 0 ||
        ::bind(listener.get(), generic(&address), sizeof address) != 0) {
        return cannot_listen(name, errno);
    }
    if (!wanted.group.empty()) {
        if (auto given = give_to_group(name, wanted.group); !given) {
            ::unlink(name.c_str());
            return std::unexpected(given.error());
        }
    }
    if (::chmod(name.c_str(), wanted.mode) != 0 || ::listen(listener.get(), backlog) != 0) {
        const int code = errno;
        ::unlink(name.c_str());
        return cannot_listen(name, code);
    }
    return listener;
}

Result<std::vector<Descriptor>> passed_or_own(std::string_view name, const UnixListener& own) {
    auto passed = systemd::passed_sockets(name);
    if (passed.empty()) {
        auto made = listen_unix(own);
        if (!made) {
            return std::unexpected(made.error());
        }
        passed.push_back(std::move(*made));
    }
    return passed;
}

namespace {

// A socket at an address that no interface needs to have; without IPV6_V6ONLY "::" would take the IPv4 port,
// too, which nobody has asked for.
Descriptor bound(const Endpoint& endpoint, int type) {
    const bool six = endpoint.address.family == Family::ipv6;
    Descriptor socket(::socket(six ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const SocketAddress at = socket_address(endpoint);
    const bool reuse = type == SOCK_STREAM;  // of UDP two could then share a port
    if (!socket || (reuse && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
        (six && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        ::setsockopt(socket.get(), six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_FREEBIND : IP_FREEBIND, &on,
                     sizeof on) != 0 ||
        ::bind(socket.get(), at.get(), at.size) != 0) {
        const int error = errno;
        socket.reset();
        errno = error;
    }
    return socket;
}

}  // namespace

Result<Descriptor> listen_tcp(const Endpoint& endpoint) {
    Descriptor listener = bound(endpoint, SOCK_STREAM);
    if (!listener || ::listen(listener.get(), backlog) != 0) {
        return cannot_listen(endpoint.text() + " (TCP)", errno);
    }
    return listener;
}

Result<Descriptor> bind_udp(const Endpoint& endpoint, int queue) {
    Descriptor socket = bound(endpoint, SOCK_DGRAM);
    const int on = 1;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) != 0) {
        return cannot_listen(endpoint.text() + " (UDP)", errno);
    }
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue) != 0) {
        static_cast<void>(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue));
    }
    return socket;
}

bool is_local(const Address& address) {
    const SocketAddress at = socket_address({.address = address, .port = 0});
    const Descriptor probe(
        ::socket(address.family == Family::ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return probe && ::bind(probe.get(), at.get(), at.size) == 0;
}

}  // namespace sekisho
