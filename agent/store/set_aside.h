// SPDX-License-Identifier: Apache-2.0
// Files that can't be used, but may still be of use to somebody.
#pragma once

#include <filesystem>

#include "agent/base/result.h"

namespace sekisho::store {

// Whether the file may be one that this program has made: a regular file that only its owner may read. To be
// asked before it is opened. What a slip in the configuration names is mostly not, and stays where it is.
[[nodiscard]] bool may_be_ours(const std::filesystem::path& file);

// Gives a database, and the files that SQLite keeps beside it, another name: FILE.aside-20260131T235959Z,
// with a number behind it if there is one of that name. The new name. Failure::unavailable if it can't.
[[nodiscard]] Result<std::filesystem::path> set_aside(const std::filesystem::path& file);

}  // namespace sekisho::store
