// SPDX-License-Identifier: Apache-2.0
// What an agent of another layout version (SEKISHO_ABI_VERSION) has left in the kernel.
#pragma once

#include <filesystem>
#include <map>

#include "agent/base/result.h"
#include "agent/dataplane/entry_table.h"
#include "agent/dataplane/kernel.h"

namespace sekisho::dataplane {

// The directories of all layouts that have pins below the pin path, by version.
[[nodiscard]] std::map<int, std::filesystem::path> layouts(const std::filesystem::path& pin_path);

// Takes over what older layouts have left: entries are copied to `entries`, links moved to where this
// layout's are looked for, so that attaching replaces the program behind them without a gap; then the old
// pins go. What is attached judges by the old maps until then. May be interrupted anywhere, and done again.
// Failure::conflict if a newer agent has been here; Failure::unavailable if `entries` has no room
// for all.
[[nodiscard]] Result<void> carry_over(const std::filesystem::path& pin_path, const Kernel& kernel,
                                      EntryTable& entries);

}  // namespace sekisho::dataplane
