// SPDX-License-Identifier: Apache-2.0
// Sockets to listen on, ready for accept(2): handed over by systemd, or made here.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "agent/base/socket_address.h"

namespace sekisho {

// Modes of Unix sockets: for the group that the file is given to, and for everybody, where who asks is looked
// at (api::role_of).
inline constexpr mode_t for_group = 0660;
inline constexpr mode_t for_everybody = 0666;

// How a Unix socket is made.
struct UnixListener {
    std::filesystem::path path;
    mode_t mode = 0600;
    int type = 1;       // SOCK_STREAM, or 5 for SOCK_SEQPACKET
    std::string group;  // that the file is given to; empty: the process's own
};

// Listens on a Unix socket. A socket file that nobody answers on is replaced. Failure::conflict if somebody
// does, or if the path is something else than a socket; Failure::invalid for a path over 107 bytes or an
// unknown group.
[[nodiscard]] Result<Descriptor> listen_unix(const UnixListener& wanted);

// The sockets of this name that systemd has opened for us, or else one of our own.
[[nodiscard]] Result<std::vector<Descriptor>> passed_or_own(std::string_view name, const UnixListener& own);

// Listens on a TCP address, even if no interface has it yet (IP_FREEBIND: daemons start before the network is
// up); port 0 takes a free one. Failure::conflict if the port is taken.
[[nodiscard]] Result<Descriptor> listen_tcp(const Endpoint& endpoint);

// A UDP socket at an address, as above, with room for `queue` octets of datagrams that wait (less where the
// kernel doesn't give so much). It tells of those that found no room (SO_RXQ_OVFL). Failure::conflict if the
// port is taken.
[[nodiscard]] Result<Descriptor> bind_udp(const Endpoint& endpoint, int queue);

// Whether an interface of this host has the address, or it is that of all of them.
[[nodiscard]] bool is_local(const Address& address);

}  // namespace sekisho
