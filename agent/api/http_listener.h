// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on, ready for accept(2). Internal to this room.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "agent/api/http_server.h"
#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::api {

// Listens on a Unix socket, see HttpServer::listen_unix. The caller owns the descriptor.
[[nodiscard]] Result<int> open_unix_listener(const std::filesystem::path& path, mode_t mode);

// Listens on a TCP address, see HttpServer::listen_tcp.
[[nodiscard]] Result<int> open_tcp_listener(const Address& address, std::uint16_t port);

// The local port of a TCP socket, 0 for others.
[[nodiscard]] std::uint16_t port_of(int listener);

// Who is at the other end of an accepted connection.
[[nodiscard]] Peer peer_of(int connection);

}  // namespace sekisho::api
