// SPDX-License-Identifier: Apache-2.0
// Datagrams in and out.
#include "agent/base/datagrams.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/base/listener.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;

// So many are taken at once, that a login by another way doesn't wait for a flood.
constexpr int datagrams_at_once = 256;
// Room for bursts while the program is busy; the kernel gives as much as net.core.rmem_max allows without
// privileges.
constexpr int queue = 8 << 20;
// For what the kernel tells beside a datagram, or is told.
constexpr std::size_t control_size = 256;

template <class T>
T value_of(const cmsghdr& header) {
    T value{};
    std::memcpy(&value, CMSG_DATA(&header), sizeof value);
    return value;
}

bool is(const cmsghdr& header, int level, int type) {
    return header.cmsg_level == level && header.cmsg_type == type;
}

void note_local(const cmsghdr& header, DatagramPath& path) {
    if (is(header, IPPROTO_IP, IP_PKTINFO)) {
        const auto info = value_of<in_pktinfo>(header);
        path.interface = static_cast<unsigned>(info.ipi_ifindex);
        std::memcpy(path.local.bytes.data(), &info.ipi_addr, sizeof info.ipi_addr);
    } else if (is(header, IPPROTO_IPV6, IPV6_PKTINFO)) {
        const auto info = value_of<in6_pktinfo>(header);
        path.interface = info.ipi6_ifindex;
        path.local.family = Family::ipv6;
        std::memcpy(path.local.bytes.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
    }
}

// Which of this machine's addresses is the sender. The way is the routing's choice, but for a link-local
// address.
template <class Info>
void set_local(const Info& info, int level, int type, msghdr& header) {
    cmsghdr* const control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(control), &info, sizeof info);
    header.msg_controllen = CMSG_SPACE(sizeof info);
}

void set_local(const DatagramPath& path, msghdr& header) {
    if (path.local.family == Family::ipv4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, path.local.bytes.data(), sizeof info.ipi_spec_dst);
        set_local(info, IPPROTO_IP, IP_PKTINFO, header);
        return;
    }
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, path.local.bytes.data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? path.interface : 0;
    set_local(info, IPPROTO_IPV6, IPV6_PKTINFO, header);
}

}  // namespace

Result<std::unique_ptr<Datagrams>> Datagrams::listen(const asio::any_io_executor& executor,
                                                     const Endpoint& endpoint, std::size_t longest,
                                                     Handlers handlers) {
    auto socket = bind_udp(endpoint, queue);
    if (!socket) {
        return std::unexpected(socket.error());
    }
    const int on = 1;
    const bool six = endpoint.address.family == Family::ipv6;
    if (::setsockopt(socket->get(), six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
                     sizeof on) != 0) {
        return fail(Failure::unavailable,
                    endpoint.text() + " (UDP): " + std::system_category().message(errno));
    }
    const auto own = local_endpoint(socket->get());
    return std::unique_ptr<Datagrams>(new Datagrams(executor, own ? own->port : endpoint.port,
                                                    std::move(*socket), longest, std::move(handlers)));
}

Datagrams::Datagrams(const asio::any_io_executor& executor, std::uint16_t port, Descriptor socket,
                     std::size_t longest, Handlers handlers)
    : port_(port), socket_(executor, socket.release()), handlers_(std::move(handlers)), octets_(longest + 1) {
    await();
}

Datagrams::~Datagrams() {
    *alive_ = false;
}

void Datagrams::await() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [this, alive = alive_](const boost::system::error_code& error) {
                           if (*alive && !error) {
                               take_some();
                           }
                       });
}

void Datagrams::take_some() {
    const auto alive = alive_;  // a handler may end us
    int taken = 0;
    while (taken < datagrams_at_once && take_one()) {
        if (!*alive) {
            return;
        }
        taken++;
    }
    if (handlers_.taken) {
        handlers_.taken();
    }
    if (!*alive) {
        return;
    }
    if (taken < datagrams_at_once) {
        await();
        return;
    }
    asio::post(socket_.get_executor(), [this, alive] {
        if (*alive) {
            take_some();
        }
    });
}

// False if there is nothing to take.
bool Datagrams::take_one() {
    sockaddr_storage from{};
    alignas(cmsghdr) std::array<char, control_size> control{};
    iovec place{.iov_base = octets_.data(), .iov_len = octets_.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &place;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.native_handle(), &header, MSG_DONTWAIT);
    if (size < 0) {
        // An ICMP error for an answer of ours stands in the way of nothing.
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EBADF && errno != EINVAL;
    }
    DatagramPath path;
    std::optional<std::uint32_t> overflowed;
    for (auto* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
        note_local(*each, path);
        if (is(*each, SOL_SOCKET, SO_RXQ_OVFL)) {
            overflowed = value_of<std::uint32_t>(*each);
        }
    }
    if (overflowed) {
        note_overflow(*overflowed);
    }
    if (const auto remote = endpoint_of(from)) {
        path.remote = *remote;
        handlers_.take(std::string_view(octets_.data(), static_cast<std::size_t>(size)), path);
    }
    return true;
}

// The kernel tells with a datagram how many it has thrown away before it, in all.
void Datagrams::note_overflow(std::uint32_t in_all) {
    const std::uint32_t more = in_all - std::exchange(overflowed_, in_all);
    if (more != 0 && handlers_.lost) {
        handlers_.lost(more);
    }
}

bool Datagrams::answer(const DatagramPath& path, std::span<const std::uint8_t> octets) {
    SocketAddress to = socket_address(path.remote);
    alignas(cmsghdr) std::array<char, control_size> control{};
    iovec place{.iov_base = const_cast<std::uint8_t*>(octets.data()), .iov_len = octets.size()};
    msghdr header{};
    header.msg_name = &to.storage;
    header.msg_namelen = to.size;
    header.msg_iov = &place;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    set_local(path, header);
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket_.native_handle(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && (errno == EINTR || errno == ECONNREFUSED));  // that of an earlier answer
    return sent >= 0;
}

}  // namespace sekisho
