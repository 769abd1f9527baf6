// SPDX-License-Identifier: Apache-2.0
// The spool's tables. Internal to this room.
#pragma once

#include <cstddef>

#include "agent/base/database.h"
#include "agent/base/result.h"

namespace sekisho::spool {

// A body's octets stand in pieces of this size, the last one shorter; readers rely on it.
constexpr std::size_t piece_size = std::size_t{64} * 1024;

// Brings the tables to today's version. Failure::invalid for a file of a newer version, of another program,
// or a damaged one; nothing is changed then.
[[nodiscard]] Result<void> migrate(const Database& database);

// What every connection to the file sets for itself.
[[nodiscard]] Result<void> set_pragmas(const Database& database);

}  // namespace sekisho::spool
