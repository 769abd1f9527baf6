// SPDX-License-Identifier: Apache-2.0
// Connections that a balancer passes on: whose are they really?
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "agent/base/result.h"
#include "smtpd/session/proxy_header.h"

namespace sekisho {

// Reads the PROXY header off a connection, and no octet behind it. The socket's own ends where the balancer
// speaks for itself; Failure::invalid for a connection that begins otherwise, Failure::unavailable for one
// that ends, or that takes longer than ten seconds.
[[nodiscard]] boost::asio::awaitable<Result<session::ProxiedEnds>> ends_behind(
    std::shared_ptr<boost::asio::ip::tcp::socket> socket);

}  // namespace sekisho
