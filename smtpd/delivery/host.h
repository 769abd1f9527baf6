// SPDX-License-Identifier: Apache-2.0
// A server that takes mail: one of the places where it listens, and what it speaks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>

#include "agent/base/socket_address.h"

namespace sekisho::delivery {

enum class Protocol : std::uint8_t {
    smtp,  // RFC 5321
    lmtp,  // RFC 2033: the message is answered for each recipient that was accepted
};

// An address and a port, or the path of a Unix socket.
using Place = std::variant<Endpoint, std::filesystem::path>;

struct Host {
    std::string name;  // for TLS
    Place place;
    std::uint16_t preference = 0;  // the lower, the sooner (RFC 5321, 5.1)
    Protocol protocol = Protocol::smtp;
    bool chosen = false;  // by the operator, and not by whoever has the recipient's domain
};

}  // namespace sekisho::delivery
