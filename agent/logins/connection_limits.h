// SPDX-License-Identifier: Apache-2.0
// How many connections this room's listeners take at once.
#pragma once

#include <cstddef>

#include "agent/base/config.h"

namespace sekisho::logins {

constexpr std::size_t most_policy_connections = 256;  // of each [[login.dovecot]]
constexpr std::size_t most_webhook_connections = 32;  // of each [[login.stalwart]]
// Of each [[login.syslog]], and over TLS as many again of those who have yet to prove who they are.
constexpr std::size_t most_syslog_connections = 64;

// Of all of them together.
[[nodiscard]] std::size_t most_connections(const Config& config);

}  // namespace sekisho::logins
