// SPDX-License-Identifier: Apache-2.0
// The header of the PROXY protocol, versions 1 and 2, by which a balancer says who is behind it (HAProxy's
// doc/proxy-protocol.txt). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "agent/base/socket_address.h"

namespace sekisho::session {

// A longer one is refused; one of version 1 has at most 107 octets.
constexpr std::size_t longest_proxy_header = 4096;

// The two ends of a connection as its client sees it.
struct ProxiedEnds {
    Endpoint client;
    Endpoint server;
};

struct ProxyHeader {
    // There is more to it: that many octets, at least, which are all of the header. 0: it is complete, or
    // wrong.
    std::size_t wanted = 0;
    std::string_view wrong;  // why it is no such header; empty if it is one
    // Nothing: the balancer speaks for itself (LOCAL), or doesn't know (UNKNOWN, UNSPEC).
    std::optional<ProxiedEnds> ends;
};

// Reads the header that `octets` begin with. Called again and again with the octets so far and those that
// were wanted, it never asks for one behind the header.
[[nodiscard]] ProxyHeader read_proxy_header(std::string_view octets);

}  // namespace sekisho::session
