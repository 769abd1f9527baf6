// SPDX-License-Identifier: Apache-2.0
// Whose file it is and what version it has stands in SQLite's own header.
#include "agent/base/schema.h"

#include <cstdint>
#include <string>

namespace sekisho {

namespace {

Result<void> take_step(const Database& database, const Schema& schema, std::size_t step) {
    auto transaction = Transaction::begin(database);
    if (!transaction) {
        return std::unexpected(transaction.error());
    }
    const std::string version = "PRAGMA user_version = " + std::to_string(step + 1);
    const std::string ours = "PRAGMA application_id = " + std::to_string(schema.application_id);
    for (const char* sql : {schema.steps[step], version.c_str(), ours.c_str()}) {
        if (auto done = database.run(sql); !done) {
            return done;
        }
    }
    return transaction->commit();
}

// Whether the file is empty or ours, and not damaged.
Result<void> inspect(const Database& database, const Schema& schema, std::int64_t version) {
    const std::string file = database.file().string();
    if (version > schema.version()) {
        return fail(Failure::invalid,
                    file + " was written by a newer version of " + std::string(schema.program) + " (schema " +
                        std::to_string(version) + ", this one knows " + std::to_string(schema.version()) +
                        ")",
                    std::string(schema.if_newer));
    }
    const auto id = database.integer("PRAGMA application_id");
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (!id || !tables) {
        return std::unexpected(id ? tables.error() : id.error());
    }
    const bool empty = *tables == 0 && *id == 0 && version == 0;
    if (!empty && *id != schema.application_id) {
        return fail(Failure::conflict, file + " is the database of another program",
                    "name another file as " + std::string(schema.setting));
    }
    const auto check = schema.quick_check ? database.text("PRAGMA quick_check(1)") : "ok";
    if (!check) {
        return std::unexpected(check.error());
    }
    if (*check != "ok") {
        return fail(
            Failure::invalid, file + " is damaged: " + *check,
            "move it and all files " + file + "-* away and start again; " + std::string(schema.if_damaged));
    }
    return {};
}

}  // namespace

Result<void> migrate(const Database& database, const Schema& schema) {
    const auto version = database.integer("PRAGMA user_version");
    if (!version) {
        return std::unexpected(version.error());
    }
    if (auto good = inspect(database, schema, *version); !good) {
        return good;
    }
    for (auto step = static_cast<std::size_t>(*version); step < schema.steps.size(); step++) {
        if (auto done = take_step(database, schema, step); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace sekisho
