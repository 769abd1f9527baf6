// SPDX-License-Identifier: Apache-2.0
// The agent's API on its Unix socket: who is there, and what may they do.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "agent/api/http_server.h"
#include "agent/api/routes.h"
#include "agent/base/config.h"
#include "agent/base/result.h"

namespace sekisho::api {

// The role of a peer: root, the daemon's own user and config.operators may change, config.viewers may look;
// the user `reporter` (empty: nobody) may report logins and nothing else.
[[nodiscard]] Role role_of(const ApiConfig& config, const Peer& peer, std::string_view reporter = {});

// The answer to a peer of a daemon's socket for administration who may not ask this: operators may ask
// everything, viewers with GET. Nothing if it may.
[[nodiscard]] std::optional<Response> turned_away(const ApiConfig& config, const Request& request);

// Serves the API until the returned server goes. `agent` and `config` must outlive it. The socket's mode is
// 0666: the role decides, not the file's mode. `reporter` as above. Bodies may have 64 KiB; what an operator
// imports as subscribers, largest_subscriber_import.
[[nodiscard]] Result<HttpServer> serve(const boost::asio::any_io_executor& executor, const ApiConfig& config,
                                       Agent& agent, const std::string& reporter = {});

}  // namespace sekisho::api
