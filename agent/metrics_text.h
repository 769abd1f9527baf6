// SPDX-License-Identifier: Apache-2.0
// The agent's state in Prometheus' text format.
#pragma once

#include <cstdint>
#include <string>

#include "agent/api/routes.h"

namespace sekisho {

// Counters of the kernel and of the agent; `store_errors` is how often the store could not be written.
[[nodiscard]] std::string metrics_text(const api::Status& status, std::uint64_t store_errors);

}  // namespace sekisho
