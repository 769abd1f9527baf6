// SPDX-License-Identifier: Apache-2.0
// The migrations. A step that has been in a release is never changed; the next one is added at the end.
#include "agent/store/schema.h"

#include <array>
#include <string>

namespace sekisho::store {

namespace {

// Times are nanoseconds: `..._wall` and `since` since 1970 in UTC, `..._boot` of CLOCK_BOOTTIME in the boot
// named beside it. Keys and prefixes are text, because an operator may want to read this file with any tool.
constexpr std::array<const char*, 1> steps = {
    R"(
    CREATE TABLE grants (
        key TEXT PRIMARY KEY,
        pool TEXT NOT NULL,
        source TEXT NOT NULL,
        user TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        renewed INTEGER NOT NULL,
        expires_boot INTEGER NOT NULL,
        expires_wall INTEGER NOT NULL,
        boot TEXT NOT NULL,
        generation INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE exemptions (
        prefix TEXT PRIMARY KEY,
        note TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
};

Result<void> take_step(const Database& database, std::size_t step) {
    auto transaction = Transaction::begin(database);
    if (!transaction) {
        return std::unexpected(transaction.error());
    }
    const std::string version = "PRAGMA user_version = " + std::to_string(step + 1);
    const std::string ours = "PRAGMA application_id = " + std::to_string(application_id);
    for (const char* sql : {steps.at(step), version.c_str(), ours.c_str()}) {
        if (auto done = database.run(sql); !done) {
            return done;
        }
    }
    return transaction->commit();
}

// Whether the file is empty or ours, and not damaged.
Result<void> inspect(const Database& database, std::int64_t version) {
    const std::string file = database.file().string();
    if (version > schema_version()) {
        return fail(Failure::invalid,
                    file + " was written by a newer version (schema " + std::to_string(version) +
                        ", this one knows " + std::to_string(schema_version()) + ")",
                    "install that version again, or start with another [store] path: grants that the kernel "
                    "holds are "
                    "found there, exemptions must be added again");
    }
    const auto id = database.integer("PRAGMA application_id");
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (!id || !tables) {
        return std::unexpected(id ? tables.error() : id.error());
    }
    const bool empty = *tables == 0 && *id == 0 && version == 0;
    if (!empty && *id != application_id) {
        return fail(Failure::invalid, file + " is the database of another program",
                    "name another file as [store] path");
    }
    const auto check = database.text("PRAGMA quick_check(1)");
    if (!check) {
        return std::unexpected(check.error());
    }
    if (*check != "ok") {
        return fail(
            Failure::invalid, file + " is damaged: " + *check,
            "move it and the files " + file + "-wal and " + file +
                "-shm away and start again; grants that the kernel holds are found there, exemptions must be "
                "added again or come from a backup");
    }
    return {};
}

}  // namespace

int schema_version() {
    return static_cast<int>(steps.size());
}

Result<void> migrate(const Database& database) {
    const auto version = database.integer("PRAGMA user_version");
    if (!version) {
        return std::unexpected(version.error());
    }
    if (auto inspected = inspect(database, *version); !inspected) {
        return inspected;
    }
    for (auto step = static_cast<std::size_t>(*version); step < steps.size(); ++step) {
        if (auto done = take_step(database, step); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace sekisho::store
