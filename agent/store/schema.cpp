// SPDX-License-Identifier: Apache-2.0
// The tables.
#include "agent/store/schema.h"

#include <array>

namespace sekisho::store {

namespace {

// Times are nanoseconds: `..._wall` and `since` since 1970 in UTC, `..._boot` of CLOCK_BOOTTIME in the boot
// named beside it. Keys and prefixes are text, because an operator may want to read this file with any tool.
constexpr std::array<const char*, 11> steps = {
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
    R"(
    ALTER TABLE grants ADD COLUMN budget INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE cool_downs (
        key TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        since INTEGER NOT NULL,
        until_boot INTEGER NOT NULL,
        until_wall INTEGER NOT NULL,
        boot TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE quarantines (
        key TEXT PRIMARY KEY,
        note TEXT NOT NULL,
        since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
    // A boot's id has 36 letters: written into each of a million grants they were half of the file.
    R"(
    CREATE TABLE boots (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE
    ) STRICT;
    INSERT INTO boots (id) SELECT DISTINCT boot FROM grants;
    CREATE TABLE numbered (
        key TEXT PRIMARY KEY,
        pool TEXT NOT NULL,
        source TEXT NOT NULL,
        user TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        renewed INTEGER NOT NULL,
        expires_boot INTEGER NOT NULL,
        expires_wall INTEGER NOT NULL,
        boot INTEGER NOT NULL REFERENCES boots,
        generation INTEGER NOT NULL,
        budget INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO numbered SELECT key, pool, source, user, reason, since, renewed, expires_boot, expires_wall,
        (SELECT number FROM boots WHERE id = boot), generation, budget FROM grants;
    DROP TABLE grants;
    ALTER TABLE numbered RENAME TO grants;
    )",
    R"(
    CREATE TABLE log_positions (
        file TEXT PRIMARY KEY,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        head_size INTEGER NOT NULL,
        head INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
    R"(
    CREATE TABLE journal_positions (
        reporter TEXT PRIMARY KEY,
        cursor TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
    // Of RADIUS, whose times are whole seconds. Its texts are octets of any kind; of the labels each entry is
    // a netstring.
    R"(
    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY,
        nas TEXT NOT NULL,
        session_id TEXT NOT NULL,
        user TEXT NOT NULL,
        calling_station TEXT NOT NULL,
        classes BLOB NOT NULL,
        filters BLOB NOT NULL,
        prefixes TEXT NOT NULL,
        since INTEGER NOT NULL,
        last_event INTEGER NOT NULL,
        last_heard INTEGER NOT NULL,
        interim_interval INTEGER NOT NULL
    ) STRICT;
    )",
    R"(
    ALTER TABLE cool_downs ADD COLUMN cause TEXT NOT NULL DEFAULT 'overrun';
    )",
    // In the order in which they were given, which is about that in which they end: what is written at one
    // time stands together. By their keys each was on another page.
    R"(
    CREATE TABLE ordered (
        generation INTEGER NOT NULL,
        key TEXT NOT NULL,
        pool TEXT NOT NULL,
        source TEXT NOT NULL,
        user TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        renewed INTEGER NOT NULL,
        expires_boot INTEGER NOT NULL,
        expires_wall INTEGER NOT NULL,
        boot INTEGER NOT NULL REFERENCES boots,
        budget INTEGER NOT NULL,
        PRIMARY KEY (generation, key)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO ordered SELECT generation, key, pool, source, user, reason, since, renewed, expires_boot,
        expires_wall, boot, budget FROM grants;
    DROP TABLE grants;
    ALTER TABLE ordered RENAME TO grants;
    )",
    // For each part of its scope: how long before expires_boot it ends for that; -1: it isn't good for it.
    R"(
    ALTER TABLE grants ADD COLUMN edge_before INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE grants ADD COLUMN relay_before INTEGER NOT NULL DEFAULT -1;
    )",
    // Both clocks at one moment, in one row.
    R"(
    CREATE TABLE clocks (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        boottime INTEGER NOT NULL,
        wall INTEGER NOT NULL,
        boot TEXT NOT NULL
    ) STRICT;
    )",
    // 0: the version before this one didn't look.
    R"(
    ALTER TABLE log_positions ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
    )",
};

}  // namespace

const Schema& schema() {
    static constexpr Schema ours = {
        .application_id = 0x536b736f,  // "Skso"
        .steps = steps,
        .program = "sekishod",
        .setting = "[store] path",
        .if_newer =
            "install that version again, or start with another [store] path: grants that the kernel holds "
            "are found there, exemptions must be added again",
        .if_damaged =
            "grants that the kernel holds are found there, exemptions must be added again or come from a "
            "backup"};
    return ours;
}

}  // namespace sekisho::store
