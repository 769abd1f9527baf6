// SPDX-License-Identifier: Apache-2.0
// By memcpy: the kernel's types may not alias.
#include "agent/base/socket_address.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

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

}  // namespace sekisho
