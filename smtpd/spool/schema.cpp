// SPDX-License-Identifier: Apache-2.0
// The migrations. A step that has been in a release is never changed; the next one is added at the end.
#include "smtpd/spool/schema.h"

#include <array>
#include <string>

namespace sekisho::spool {

namespace {

constexpr int application_id = 0x536b7370;  // "Sksp"

// Times are seconds since 1970 in UTC. A body stands in pieces (see schema.h), which are found in the same
// time wherever they are; within one large blob the way to its end grows with its length. One commit, one
// fsync, nothing to clean up. AUTOINCREMENT: the number of a recipient who is gone is never another's, so
// what becomes of a delivery that an operator has overtaken can't be taken for somebody else's.
constexpr std::array<const char*, 1> steps = {
    R"(
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        sender TEXT NOT NULL,
        user TEXT NOT NULL,
        client TEXT NOT NULL,
        eight_bit INTEGER NOT NULL,
        received INTEGER NOT NULL,
        size INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE bodies (
        message INTEGER NOT NULL,
        piece INTEGER NOT NULL,
        octets BLOB NOT NULL,
        PRIMARY KEY (message, piece)
    ) STRICT;
    CREATE TABLE recipients (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message INTEGER NOT NULL,
        address TEXT NOT NULL,
        domain TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        next INTEGER NOT NULL,
        last_error TEXT NOT NULL
    ) STRICT;
    CREATE INDEX recipients_by_message ON recipients (message);
    CREATE INDEX recipients_by_time ON recipients (next, domain);
    CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN
        DELETE FROM bodies WHERE message = old.number;
        DELETE FROM recipients WHERE message = old.number;
    END;
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

Result<void> inspect(const Database& database, std::int64_t version) {
    const std::string file = database.file().string();
    if (version > static_cast<std::int64_t>(steps.size())) {
        return fail(Failure::invalid, file + " was written by a newer version of sekisho-relay",
                    "install that version again: the mail in this file is not delivered yet");
    }
    const auto id = database.integer("PRAGMA application_id");
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (!id || !tables) {
        return std::unexpected(id ? tables.error() : id.error());
    }
    const bool empty = *tables == 0 && *id == 0 && version == 0;
    if (!empty && *id != application_id) {
        return fail(Failure::invalid, file + " is the database of another program",
                    "name another file as relay.spool");
    }
    const auto check = database.text("PRAGMA quick_check(1)");
    if (!check) {
        return std::unexpected(check.error());
    }
    if (*check != "ok") {
        return fail(Failure::invalid, file + " is damaged: " + *check,
                    "save it: sqlite3's .recover may still find mail in it. Then move it and the files " +
                        file + "-wal and " + file + "-shm away and start again");
    }
    return {};
}

}  // namespace

Result<void> set_pragmas(const Database& database) {
    // Overwriting what is deleted would cost as much as writing it.
    return database.run(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;"
        "PRAGMA secure_delete = FAST; PRAGMA trusted_schema = OFF");
}

Result<void> migrate(const Database& database) {
    const auto version = database.integer("PRAGMA user_version");
    if (!version) {
        return std::unexpected(version.error());
    }
    if (auto good = inspect(database, *version); !good) {
        return good;
    }
    for (auto step = static_cast<std::size_t>(*version); step < steps.size(); step++) {
        if (auto done = take_step(database, step); !done) {
            return done;
        }
    }
    return {};
}

}  // namespace sekisho::spool
