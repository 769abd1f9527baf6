// SPDX-License-Identifier: Apache-2.0
// The kernel's socket addresses from ours and back.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/address.h"

namespace sekisho {

// An address and a port of TCP.
struct Endpoint {
    Address address;
    std::uint16_t port = 0;

    auto operator<=>(const Endpoint&) const = default;
    // "192.0.2.1:25", "[2001:db8::1]:25".
    [[nodiscard]] std::string text() const;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress socket_address(const Endpoint& endpoint);

// Nothing for families other than IPv4 and IPv6. An IPv4 address mapped into IPv6 becomes IPv4.
[[nodiscard]] std::optional<Endpoint> endpoint_of(const sockaddr_storage& storage);

// The ends of a socket; nothing for one that isn't TCP or UDP, or not connected.
[[nodiscard]] std::optional<Endpoint> local_endpoint(int socket);
[[nodiscard]] std::optional<Endpoint> remote_endpoint(int socket);

// The interface by which a TCP connection was opened from outside, by its name now; empty where that can't be
// told, also of connections from this host itself: these would have the interface that owns the address they
// went to. The kernel keeps it of the handshake, see tcp_v4_syn_recv_sock() and IP_PKTOPTIONS in
// do_ip_getsockopt(); of a port of a bridge, or of a VRF, it is the bridge or the VRF.
[[nodiscard]] std::string arrival_interface(int socket);

}  // namespace sekisho
