// SPDX-License-Identifier: Apache-2.0
// What a host of trust says of the client it speaks for (Postfix's XCLIENT_README). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/address.h"

namespace sekisho::session {

struct NamedClient {
    Address address;
    std::optional<std::uint16_t> port;  // nothing, here and below: it wasn't said, or isn't known there
    std::optional<Address> server;      // which the client has connected to
    std::optional<std::uint16_t> server_port;
    std::string user;  // who has logged in there; empty: nobody
};

// Reads what stands behind XCLIENT: NAME=value, separated by blanks, the values in xtext (RFC 3461, 4). NAME,
// HELO and PROTO are understood and change nothing. Nothing where it can't be read, or the
// client's address isn't among it.
[[nodiscard]] std::optional<NamedClient> read_xclient(std::string_view text);

}  // namespace sekisho::session
