// SPDX-License-Identifier: Apache-2.0
// How a database of an earlier version becomes one of today. Each room that keeps one has its own tables.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "agent/base/database.h"
#include "agent/base/result.h"

namespace sekisho {

struct Schema {
    // Written into the file's header (PRAGMA application_id): whose file it is.
    int application_id = 0;
    // SQL. A step that has been in a release is never changed; the next one is added at the end.
    std::span<const char* const> steps;
    std::string_view program;  // that writes such files
    std::string_view setting;  // that names the file
    // Remedies: what to do with a file of a newer version, and what beyond moving it to do with a damaged
    // one.
    std::string_view if_newer;
    std::string_view if_damaged;
    // Whether all pages are looked at when it is opened: not where there are so many that it takes its time.
    bool quick_check = true;

    // The version of the tables that this program reads and writes (PRAGMA user_version).
    [[nodiscard]] int version() const { return static_cast<int>(steps.size()); }
};

// Brings the tables to today's version, each step in a transaction of its own. Failure::invalid for a file of
// a newer version or a damaged one, Failure::conflict for another program's; nothing is changed then.
[[nodiscard]] Result<void> migrate(const Database& database, const Schema& schema);

}  // namespace sekisho
