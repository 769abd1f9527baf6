// SPDX-License-Identifier: Apache-2.0
// The tables, and how a file of an earlier version becomes one of today.
#pragma once

#include "agent/base/database.h"
#include "agent/base/result.h"

namespace sekisho::store {

// Written into the file's header (PRAGMA application_id, user_version). "Skso".
constexpr int application_id = 0x536b736f;
// The version of the tables that this program reads and writes.
[[nodiscard]] int schema_version();

// Brings the tables to today's version, each step in a transaction of its own. Failure::invalid for a file of
// a newer version, of another program, or a damaged one; nothing is changed then.
[[nodiscard]] Result<void> migrate(const Database& database);

}  // namespace sekisho::store
