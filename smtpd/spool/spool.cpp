// SPDX-License-Identifier: Apache-2.0
// The writing side.
#include "smtpd/spool/spool.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/log.h"
#include "smtpd/message/domain.h"
#include "smtpd/spool/disk.h"
#include "smtpd/spool/schema.h"

namespace sekisho::spool {

namespace {

constexpr int busy_milliseconds = 10'000;

// The lock is a file of its own: one on the database would go with the first descriptor that SQLite closes.
Result<Descriptor> lock(const std::filesystem::path& file) {
    const std::string name = file.string() + ".lock";
    Descriptor lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        const bool held = errno == EWOULDBLOCK;
        return fail(held ? Failure::conflict : Failure::unavailable,
                    held ? "another sekisho-relay writes to " + file.string() : name + " can't be made",
                    held ? "stop it first: systemctl stop sekisho-relay"
                         : "create its directory, and let the relay's user write there");
    }
    return lock;
}

// What is said for each message, over and over.
Result<void> say(const Database& database, std::string_view sql) {
    auto statement = database.prepare(sql);
    return statement ? statement->run() : std::unexpected(statement.error());
}

// A database that is made now knows nobody's files.
Result<BodyFiles> open_files(const std::filesystem::path& file, const Database& database) {
    const auto version = database.integer("PRAGMA user_version");
    auto files = BodyFiles::open(file);
    if (!version || !files) {
        return version ? std::move(files) : std::unexpected(version.error());
    }
    if (*version == 0 && !files->all().empty()) {
        return fail(Failure::conflict, file.string() + "-bodies holds mail of another spool",
                    "move it away with the database that it belongs to, and keep both");
    }
    return files;
}

// Messages whose bodies are files.
Result<std::set<std::string>> with_files(const Database& database) {
    std::set<std::string> ids;
    auto read = for_each_row(database.prepare("SELECT id FROM messages WHERE in_file"),
                             [&ids](const Statement& row) { ids.insert(row.text(0)); });
    return read ? Result<std::set<std::string>>(std::move(ids)) : std::unexpected(read.error());
}

// Removes the files that a sudden end has left, and tells of those that are missing. From now on this
// connection remembers the files of messages that are deleted, until commit().
Result<void> sweep(const BodyFiles& files, const Database& database) {
    const auto known = with_files(database);
    if (!known) {
        return std::unexpected(known.error());
    }
    const std::set<std::string> found = files.all();
    for (const std::string& id : found) {
        if (!known->contains(id)) {
            files.remove(id);
        }
    }
    std::vector<std::string> missing;
    std::ranges::set_difference(*known, found, std::back_inserter(missing));
    if (!missing.empty()) {
        log::error("BODIES_MISSING", "messages wait whose files are missing",
                   {{"messages", missing.size()},
                    {"first", missing.front()},
                    {"remedy", "bring " + database.file().string() +
                                   "-bodies back, or delete them with `sekisho queue delete`"}});
    }
    return database.run(
        "CREATE TEMP TABLE gone (id TEXT NOT NULL);"
        "CREATE TEMP TRIGGER note_gone AFTER DELETE ON main.messages "
        "WHEN old.in_file BEGIN INSERT INTO gone VALUES (old.id); END");
}

Result<void> no_message(std::string_view id) {
    return fail(Failure::not_found, "there is no message " + std::string(id), "see `sekisho queue list`");
}

}  // namespace

Spool::Spool(std::filesystem::path file, Descriptor lock, BodyFiles files, Database database,
             std::int64_t page_size)
    : file_(std::move(file)),
      lock_(std::move(lock)),
      files_(std::move(files)),
      database_(std::move(database)),
      page_size_(page_size) {}

Result<Spool> Spool::open(const std::filesystem::path& file) {
    auto held = lock(file);
    if (!held) {
        return std::unexpected(held.error());
    }
    if (auto prepared = prepare_database_file(file); !prepared) {
        return std::unexpected(prepared.error());
    }
    auto database = Database::open(file, busy_milliseconds);
    if (!database) {
        return std::unexpected(database.error());
    }
    auto files = open_files(file, *database);
    if (!files) {
        return std::unexpected(files.error());
    }
    if (auto migrated = migrate(*database, schema()); !migrated) {
        return std::unexpected(migrated.error());
    }
    if (auto set = set_pragmas(*database); !set) {
        return std::unexpected(set.error());
    }
    const auto page = database->integer("PRAGMA page_size");
    if (!page) {
        return std::unexpected(page.error());
    }
    if (auto beside = database->copy_log_beside(static_cast<int>(large_log / *page)); !beside) {
        return std::unexpected(beside.error());
    }
    if (auto swept = sweep(*files, *database); !swept) {
        return std::unexpected(swept.error());
    }
    return Spool(file, std::move(*held), std::move(*files), std::move(*database), *page);
}

Result<void> Spool::begin() {
    added_ = 0;
    taken_ = 0;
    room_.reset();
    remove_written(0);  // of a transaction that a full disk has ended
    return say(database_, "BEGIN IMMEDIATE");
}

Result<void> Spool::commit() {
    if (!written_.empty()) {
        if (auto synced = files_.sync(); !synced) {
            return synced;
        }
    }
    const auto gone = take_gone();
    if (!gone) {
        return std::unexpected(gone.error());
    }
    auto committed = say(database_, "COMMIT");
    // Where this failed the disk may have it all the same: then a file too many is better than one too few.
    written_.clear();
    if (committed) {
        std::ranges::for_each(*gone, [this](const std::string& id) { files_.remove(id); });
        keep_log();
    }
    return committed;
}

// Messages with files that this transaction has deleted.
Result<std::vector<std::string>> Spool::take_gone() const {
    std::vector<std::string> gone;
    auto done = for_each_row(database_.prepare("SELECT id FROM gone"),
                             [&gone](const Statement& row) { gone.push_back(row.text(0)); });
    if (done && !gone.empty()) {
        done = say(database_, "DELETE FROM gone");
    }
    return done ? Result<std::vector<std::string>>(std::move(gone)) : std::unexpected(done.error());
}

void Spool::remove_written(std::size_t from) {
    std::ranges::for_each(written_ | std::views::drop(from),
                          [this](const std::string& id) { files_.remove(id); });
    written_.resize(from);
}

// On a disk with little room what the log has taken is given back as soon as it can be.
void Spool::keep_log() {
    const auto room = room_of(file_);
    if (!room) {
        return;
    }
    if (room->is_tight() && room->log > small_log) {
        shrink();
    } else {
        lengthen_log(file_, *room, static_cast<std::uint64_t>(database_.pages_in_log() * page_size_));
    }
}

void Spool::roll_back() {
    remove_written(0);
    if (!database_.idle()) {
        static_cast<void>(database_.run("ROLLBACK"));
    }
}

void Spool::shrink() {
    static_cast<void>(database_.run("PRAGMA wal_checkpoint(TRUNCATE)"));
}

Result<void> Spool::one(const std::function<Result<void>(Spool&)>& work) {
    const std::size_t written = written_.size();
    const std::int64_t changes = database_.all_changes();
    auto done = work(*this);
    if (!done && database_.all_changes() != changes) {
        roll_back();
    } else if (!done) {
        remove_written(written);
    }
    return done;
}

// The disk is asked once for all that is added to the database in one commit, and again behind a file, which
// has taken its room already.
Result<void> Spool::room_for(std::uint64_t size) {
    if (!room_) {
        const auto room = room_of(file_);
        if (!room) {
            return std::unexpected(room.error());
        }
        room_ = *room;
    }
    if (room_->has(size > piece_size ? size : 2 * size, added_)) {
        return {};
    }
    return fail(
        Failure::unavailable,
        "only " + std::to_string(room_->free >> 20) + " MiB are left on the disk of " + file_.string(),
        "free some space on the disk that holds " + file_.string());
}

// A small body is read first: whatever is wrong with it, nothing has been changed. But a file is only written
// when it is known that no other message has its name.
Result<void> Spool::add(const Envelope& envelope, std::uint64_t size, const BodyReader& body) {
    if (auto room = room_for(size); !room) {
        return room;
    }
    if (envelope.recipients.size() > most_within) {
        return fail(Failure::invalid, "a message can't have so many recipients", "send it in several");
    }
    const bool in_file = size > piece_size;
    std::string octets(in_file ? 0 : static_cast<std::size_t>(size), '\0');
    if (auto read = in_file ? Result<void>() : body(0, octets.data(), octets.size()); !read) {
        return read;
    }
    taken_ += size;
    added_ += octets.size();
    auto insert = database_.prepare(
        "INSERT INTO messages (id, sender, user, client, eight_bit, received, size, returned, envelope_id, "
        "utf8, in_file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    if (!insert) {
        return std::unexpected(insert.error());
    }
    insert->bind(1, envelope.id)
        .bind(2, envelope.sender)
        .bind(3, envelope.user)
        .bind(4, envelope.client)
        .bind(5, static_cast<std::int64_t>(envelope.eight_bit))
        .bind(6, number(envelope.received))
        .bind(7, static_cast<std::int64_t>(size))
        .bind(8, message::text_of(envelope.returned))
        .bind(9, envelope.envelope_id)
        .bind(10, static_cast<std::int64_t>(envelope.utf8))
        .bind(11, static_cast<std::int64_t>(in_file));
    if (auto done = insert->run(); !done) {
        return done;
    }
    const std::int64_t message = database_.last_row();
    if (auto done = add_recipients(envelope, message); !done) {
        return done;
    }
    if (in_file) {
        written_.emplace_back(envelope.id);
        room_.reset();
        return files_.write(envelope.id, size, body);
    }
    auto keep = database_.prepare("INSERT INTO bodies VALUES (?, ?)");
    return keep ? keep->bind(1, key_of(message, 0)).bind_blob(2, octets).run()
                : std::unexpected(keep.error());
}

Result<void> Spool::add_recipients(const Envelope& envelope, std::int64_t message) const {
    auto insert = database_.prepare(
        "INSERT INTO recipients (key, address, domain, attempts, next, last_error, notify, original) "
        "VALUES (?, ?, ?, 0, ?, '', ?, ?)");
    if (!insert) {
        return std::unexpected(insert.error());
    }
    std::int64_t key = key_of(message, 0);
    for (const message::Recipient& each : envelope.recipients) {
        insert->bind(1, key++)
            .bind(2, each.address)
            .bind(3, message::domain_of(each.address))
            .bind(4, number(envelope.received))
            .bind(5, each.notify.text())
            .bind(6, each.original);
        if (auto done = insert->run(); !done) {
            return done;
        }
    }
    return {};
}

Result<void> Spool::remove_if_done(std::int64_t message) {
    auto statement = database_.prepare(
        "DELETE FROM messages WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM recipients WHERE key BETWEEN "
        "?1 "
        "<< 20 AND ?1 << 20 | 1048575)");
    return statement ? statement->bind(1, message).run() : std::unexpected(statement.error());
}

Result<void> Spool::finish(std::int64_t recipient) {
    auto statement = database_.prepare("DELETE FROM recipients WHERE key = ?");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    if (auto done = statement->bind(1, recipient).run(); !done) {
        return done;
    }
    // Nothing is changed where an operator has removed it meanwhile.
    return database_.changes() == 0 ? Result<void>() : remove_if_done(recipient >> bits_within);
}

Result<void> Spool::defer(std::int64_t recipient, WallTime next, std::string_view error, bool warned) {
    // Held meanwhile, it stays so.
    auto statement = database_.prepare(
        "UPDATE recipients SET attempts = attempts + 1, next = max(?, iif(next = ?, next, 0)), last_error = "
        "?, warned = max(warned, ?) WHERE key = ?");
    return statement ? statement->bind(1, number(next))
                           .bind(2, never)
                           .bind(3, error)
                           .bind(4, static_cast<std::int64_t>(warned))
                           .bind(5, recipient)
                           .run()
                     : std::unexpected(statement.error());
}

Result<void> Spool::remove(std::string_view id) {
    ++*interventions_;
    auto message = database_.prepare("DELETE FROM messages WHERE id = ?");
    if (!message) {
        return std::unexpected(message.error());
    }
    if (auto done = message->bind(1, id).run(); !done) {
        return done;
    }
    return database_.changes() == 0 ? no_message(id) : Result<void>();
}

Result<void> Spool::hold(std::string_view id) {
    ++*interventions_;
    auto mark = database_.prepare("UPDATE messages SET held = held | ? WHERE id = ?");
    auto stay =
        database_.prepare("UPDATE recipients SET next = ? WHERE key IN " + recipients_where("id = ?"));
    if (!mark || !stay) {
        return std::unexpected(mark ? stay.error() : mark.error());
    }
    if (auto done = mark->bind(1, bit(Hold::message)).bind(2, id).run(); !done) {
        return done;
    }
    return database_.changes() == 0 ? no_message(id) : stay->bind(1, never).bind(2, id).run();
}

Result<void> Spool::release(std::string_view id, WallTime now) {
    auto mark = database_.prepare(
        "UPDATE messages SET held = held & ~?1, released = iif(held & ?1, ?3, released) WHERE id = ?2");
    auto go = database_.prepare("UPDATE recipients SET next = ? WHERE next = ? AND key IN " +
                                recipients_where("id = ? AND held = 0"));
    if (!mark || !go) {
        return std::unexpected(mark ? go.error() : mark.error());
    }
    if (auto done = mark->bind(1, bit(Hold::message)).bind(2, id).bind(3, number(now)).run(); !done) {
        return done;
    }
    return database_.changes() == 0 ? no_message(id)
                                    : go->bind(1, number(now)).bind(2, never).bind(3, id).run();
}

Result<void> Spool::hurry(WallTime now, const std::optional<std::string>& domain,
                          const std::optional<std::string>& id) {
    auto statement = database_.prepare(
        "UPDATE recipients SET next = ?1 WHERE next > ?1 AND next < ?4 AND (?2 = '' OR domain = ?2) AND (?3 "
        "= '' OR key IN " +
        recipients_where("id = ?3") + ")");
    return statement ? statement->bind(1, number(now))
                           .bind(2, domain ? lowered(*domain) : std::string())
                           .bind(3, id.value_or(std::string()))
                           .bind(4, never)
                           .run()
                     : std::unexpected(statement.error());
}

}  // namespace sekisho::spool
