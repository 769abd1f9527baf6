// SPDX-License-Identifier: Apache-2.0
// When to try again, and when to give up. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "agent/base/config_mail.h"
#include "smtpd/message/envelope.h"

namespace sekisho::delivery {

// After `attempts` failed ones (this one included): the next moment, or nothing if it is time to give up.
// Each wait is 1.5 times the last, up to config.retry_longest, and up to a quarter longer by `jitter` (0 to
// 1), so that a thousand messages to a host that was down don't come back in one moment.
[[nodiscard]] std::optional<message::WallTime> next_attempt(const RelayConfig& config,
                                                            message::WallTime received, message::WallTime now,
                                                            std::size_t attempts, double jitter);

}  // namespace sekisho::delivery
