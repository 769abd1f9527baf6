// SPDX-License-Identifier: Apache-2.0
// The present, on both clocks.
#pragma once

#include "agent/grants/grants.h"

namespace sekisho {

// Reads CLOCK_BOOTTIME, the wall clock and the kernel's boot id.
[[nodiscard]] grants::Now read_clocks();

}  // namespace sekisho
