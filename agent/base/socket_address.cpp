// SPDX-License-Identifier: Apache-2.0
// By memcpy: the kernel's types may not alias.
#include "agent/base/socket_address.h"

#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "agent/base/listener.h"

namespace sekisho {

namespace {

using NameOf = int (*)(int, sockaddr*, socklen_t*);

std::optional<Endpoint> end_of(int socket, NameOf name_of) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    // sockaddr is the kernel's base of all address types.
    if (name_of(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
        return std::nullopt;
    }
    return endpoint_of(storage);
}

// The name of the interface that a control message tells of.
std::string interface_in(std::span<char> options, bool four) {
    msghdr message{};
    message.msg_control = options.data();
    message.msg_controllen = options.size();
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        unsigned int index = 0;
        if (four && each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(each), sizeof info);
            index = static_cast<unsigned int>(info.ipi_ifindex);
        } else if (!four && each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(each), sizeof info);
            index = info.ipi6_ifindex;
        }
        std::array<char, IF_NAMESIZE> name{};
        if (index != 0 && ::if_indextoname(index, name.data()) != nullptr) {
            return name.data();
        }
    }
    return {};
}

}  // namespace

std::string Endpoint::text() const {
    const bool six = address.family == Family::ipv6;
    return (six ? "[" + address.text() + "]" : address.text()) + ":" + std::to_string(port);
}

SocketAddress socket_address(const Endpoint& endpoint) {
    SocketAddress result;
    if (endpoint.address.family == Family::ipv4) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(endpoint.port);
        std::memcpy(&four.sin_addr, endpoint.address.bytes.data(), sizeof four.sin_addr);
        std::memcpy(&result.storage, &four, sizeof four);
        result.size = sizeof four;
    } else {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(endpoint.port);
        std::memcpy(&six.sin6_addr, endpoint.address.bytes.data(), sizeof six.sin6_addr);
        std::memcpy(&result.storage, &six, sizeof six);
        result.size = sizeof six;
    }
    return result;
}

std::optional<Endpoint> endpoint_of(const sockaddr_storage& storage) {
    Endpoint result;
    if (storage.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &storage, sizeof four);
        std::memcpy(result.address.bytes.data(), &four.sin_addr, sizeof four.sin_addr);
        result.port = ntohs(four.sin_port);
        return result;
    }
    if (storage.ss_family != AF_INET6) {
        return std::nullopt;
    }
    sockaddr_in6 six{};
    std::memcpy(&six, &storage, sizeof six);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &six.sin6_addr, sizeof six.sin6_addr);
    result.port = ntohs(six.sin6_port);
    result.address = Address{.family = Family::ipv6, .bytes = bytes}.unmapped();
    return result;
}

std::optional<Endpoint> local_endpoint(int socket) {
    return end_of(socket, ::getsockname);
}

std::optional<Endpoint> remote_endpoint(int socket) {
    return end_of(socket, ::getpeername);
}

std::string arrival_interface(int socket) {
    const auto remote = remote_endpoint(socket);
    if (!remote || is_local(remote->address)) {
        return {};
    }
    // What the kernel calls IPV6_2292PKTOPTIONS; the C library names it only for old programs.
    constexpr int ipv6_options = 6;
    int domain = 0;
    socklen_t length = sizeof domain;
    const int yes = 1;
    const int no = 0;
    alignas(cmsghdr) std::array<char, 256> options{};
    socklen_t size = options.size();
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) {
        return {};
    }
    const bool four = domain == AF_INET;
    const bool told = four ? ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) == 0 &&
                                 ::getsockopt(socket, IPPROTO_IP, IP_PKTOPTIONS, options.data(), &size) == 0
                           : ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes) == 0 &&
                                 ::getsockopt(socket, IPPROTO_IPV6, ipv6_options, options.data(), &size) == 0;
    // Else the kernel would note it for each segment.
    static_cast<void>(four ? ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &no, sizeof no)
                           : ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &no, sizeof no));
    return told ? interface_in({options.data(), size}, four) : std::string();
}

}  // namespace sekisho
