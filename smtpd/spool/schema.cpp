// SPDX-License-Identifier: Apache-2.0
// The tables.
#include "smtpd/spool/schema.h"

#include <array>
#include <string>

namespace sekisho::spool {

namespace {

// Times are seconds since 1970 in UTC. AUTOINCREMENT: the number of a message that is gone is never
// another's, and so are those of its recipients (see key_of()), so what becomes of a delivery that an
// operator has overtaken can't be taken for somebody else's.
constexpr std::array<const char*, 8> steps = {
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
    // RET, ENVID, NOTIFY and ORCPT (RFC 3461) as they are written; empty: not given.
    R"(
    ALTER TABLE messages ADD COLUMN returned TEXT NOT NULL DEFAULT '';
    ALTER TABLE messages ADD COLUMN envelope_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE recipients ADD COLUMN notify TEXT NOT NULL DEFAULT '';
    ALTER TABLE recipients ADD COLUMN original TEXT NOT NULL DEFAULT '';
    )",
    // Whether only hosts that speak SMTPUTF8 can take it.
    R"(
    ALTER TABLE messages ADD COLUMN utf8 INTEGER NOT NULL DEFAULT 0;
    )",
    // Who holds a message: bits, see Hold. Its recipients are never due then.
    R"(
    ALTER TABLE messages ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    )",
    // What users have sent, and who may send nothing: names in small letters. A slot is ten minutes, counted
    // from 1970. A pair is a user and a recipient of theirs, see pair_of(): the file shall not tell who
    // writes to whom. A day is one since 1970.
    R"(
    CREATE TABLE sent (
        user TEXT NOT NULL,
        slot INTEGER NOT NULL,
        recipients INTEGER NOT NULL,
        fresh INTEGER NOT NULL,
        PRIMARY KEY (user, slot)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sent_by_slot ON sent (slot);
    CREATE TABLE known (
        pair INTEGER PRIMARY KEY,
        day INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE stopped (
        user TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        who TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    )",
    // Signs of stolen accounts: recipients that failed; from where each user has sent, and when last. When a
    // message was let go that was held.
    R"(
    ALTER TABLE sent ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE origins (
        user TEXT NOT NULL,
        address TEXT NOT NULL,
        network TEXT NOT NULL,
        slot INTEGER NOT NULL,
        PRIMARY KEY (user, address)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX origins_by_slot ON origins (slot);
    CREATE INDEX messages_by_user ON messages (lower(user)) WHERE user <> '';
    ALTER TABLE messages ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
    )",
    // Whether the sender has been told that it is late. eight_bit was what the client had announced; now it
    // is what the message has, which isn't known of these.
    R"(
    ALTER TABLE recipients ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;
    UPDATE messages SET eight_bit = 0;
    )",
    // Keys that say whose they are, see key_of(), instead of three indexes that every message was written to;
    // and large bodies in files.
    R"(
    DROP TRIGGER message_gone;
    CREATE TABLE pieces (
        key INTEGER PRIMARY KEY,
        octets BLOB NOT NULL
    ) STRICT;
    INSERT INTO pieces SELECT message << 20 | piece, octets FROM bodies ORDER BY message, piece;
    DROP TABLE bodies;
    ALTER TABLE pieces RENAME TO bodies;
    CREATE TABLE waiting (
        key INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        domain TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        next INTEGER NOT NULL,
        last_error TEXT NOT NULL,
        notify TEXT NOT NULL,
        original TEXT NOT NULL,
        warned INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO waiting SELECT message << 20 | (row_number() OVER (PARTITION BY message ORDER BY number) - 1),
        address, domain, attempts, next, last_error, notify, original, warned FROM recipients;
    DROP TABLE recipients;
    ALTER TABLE waiting RENAME TO recipients;
    CREATE INDEX recipients_by_time ON recipients (next, domain);
    ALTER TABLE messages ADD COLUMN in_file INTEGER NOT NULL DEFAULT 0;
    CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN
        DELETE FROM bodies WHERE key BETWEEN old.number << 20 AND old.number << 20 | 1048575;
        DELETE FROM recipients WHERE key BETWEEN old.number << 20 AND old.number << 20 | 1048575;
    END;
    )",
};

}  // namespace

const Schema& schema() {
    static constexpr Schema ours = {
        .application_id = 0x536b7370,  // "Sksp"
        .steps = steps,
        .program = "sekisho-relay",
        .setting = "relay.spool",
        .if_newer = "install that version again: the mail in this file is not delivered yet",
        .if_damaged = "keep them all: sqlite3's .recover may still find mail in them"};
    return ours;
}

std::string recipients_where(std::string_view condition) {
    return "(SELECT key FROM messages JOIN recipients ON key BETWEEN messages.number << 20 AND "
           "messages.number << 20 | 1048575 WHERE " +
           std::string(condition) + ")";
}

Result<void> set_pragmas(const Database& database) {
    // Overwriting what is deleted would cost as much as writing it. What a savepoint has to remember is
    // little, and is no business of a file.
    return database.run(
        ("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = " +
         std::to_string(largest_log_file) +
         "; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = FAST; PRAGMA trusted_schema = OFF")
            .c_str());
}

}  // namespace sekisho::spool
