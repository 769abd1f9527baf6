// SPDX-License-Identifier: Apache-2.0
// The reading side.
#include <algorithm>
#include <utility>

#include "smtpd/spool/schema.h"
#include "smtpd/spool/spool.h"

namespace sekisho::spool {

namespace {

constexpr int reader_busy_milliseconds = 1000;

WallTime wall(std::int64_t seconds) {
    return WallTime(std::chrono::seconds(seconds));
}

Waiting waiting_of(const Statement& row) {
    return {.recipient = row.integer(0),
            .id = row.text(1),
            .address = row.text(2),
            .domain = row.text(3),
            .attempts = static_cast<std::size_t>(row.integer(4)),
            .next = wall(row.integer(5)),
            .last_error = row.text(6),
            .notify = message::parse_notify(row.text(7)).value_or(message::Notify()),
            .original = row.text(8),
            .warned = row.integer(9) != 0};
}

Queued queued_of(const Statement& row) {
    Queued queued;
    queued.envelope.id = row.text(0);
    queued.envelope.sender = row.text(1);
    queued.envelope.user = row.text(2);
    queued.envelope.client = row.text(3);
    queued.envelope.eight_bit = row.integer(4) != 0;
    queued.envelope.received = wall(row.integer(5));
    queued.size = static_cast<std::uint64_t>(row.integer(6));
    queued.envelope.returned = message::parse_return(row.text(7)).value_or(message::Return::not_given);
    queued.envelope.envelope_id = row.text(8);
    queued.envelope.utf8 = row.integer(9) != 0;
    queued.held = (row.integer(10) & bit(Hold::message)) != 0;
    queued.since = std::max(queued.envelope.received, wall(row.integer(11)));
    queued.user_stopped = (row.integer(10) & bit(Hold::user)) != 0;
    return queued;
}

constexpr const char* waiting_columns =
    "SELECT key, id, address, domain, attempts, next, last_error, notify, original, warned "
    "FROM recipients JOIN messages ON messages.number = key >> 20 ";
constexpr const char* message_columns =
    "SELECT id, sender, user, client, eight_bit, received, size, returned, envelope_id, utf8, held, released "
    "FROM "
    "messages ";

// Several questions about one state of the spool, whatever is written meanwhile. Within another one it does
// nothing.
class Snapshot {
public:
    explicit Snapshot(const Database& database)
        : database_(database), begun_(database.run("BEGIN").has_value()) {}
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot() {
        if (begun_) {
            static_cast<void>(database_.run("COMMIT"));
        }
    }

private:
    const Database& database_;
    bool begun_;
};

}  // namespace

message::Recipient Waiting::as_recipient() const {
    message::Recipient one(address);
    one.notify = notify;
    one.original = original;
    return one;
}

Result<SpoolReader> SpoolReader::open(const std::filesystem::path& file) {
    auto database = Database::open(file, reader_busy_milliseconds);
    if (!database) {
        return std::unexpected(database.error());
    }
    if (auto set = set_pragmas(*database); !set) {
        return std::unexpected(set.error());
    }
    auto files = BodyFiles::open(file);
    if (!files) {
        return std::unexpected(files.error());
    }
    return SpoolReader(std::move(*database), std::move(*files));
}

Result<std::vector<Waiting>> SpoolReader::due(WallTime now, std::size_t limit,
                                              const std::vector<std::string>& domains, Pick pick) const {
    std::string marks;
    for (std::size_t i = 0; i < domains.size(); i++) {
        marks += i == 0 ? "?" : ", ?";
    }
    auto statement = database_.prepare(std::string(waiting_columns) + "WHERE next <= ? AND domain " +
                                       (pick == Pick::only ? "IN (" : "NOT IN (") + marks +
                                       ") ORDER BY next, recipients.domain, key LIMIT ?");
    if (statement) {
        statement->bind(1, number(now));
        int index = 2;
        for (const std::string& domain : domains) {
            statement->bind(index++, domain);
        }
        statement->bind(index, static_cast<std::int64_t>(limit));
    }
    std::vector<Waiting> all;
    auto read =
        for_each_row(std::move(statement), [&](const Statement& row) { all.push_back(waiting_of(row)); });
    return read ? Result<std::vector<Waiting>>(std::move(all)) : std::unexpected(read.error());
}

Result<std::optional<WallTime>> SpoolReader::next_due(WallTime now) const {
    auto statement =
        database_.prepare("SELECT next FROM recipients WHERE next > ? AND next < ? ORDER BY next LIMIT 1");
    if (statement) {
        statement->bind(1, number(now)).bind(2, never);
    }
    std::optional<WallTime> next;
    auto read =
        for_each_row(std::move(statement), [&](const Statement& row) { next = wall(row.integer(0)); });
    return read ? Result<std::optional<WallTime>>(next) : std::unexpected(read.error());
}

Result<Queued> SpoolReader::message(std::string_view id) const {
    const Snapshot snapshot(database_);
    auto statement = database_.prepare(std::string(message_columns) + "WHERE id = ?");
    auto recipients = database_.prepare(std::string(waiting_columns) + "WHERE key IN " +
                                        recipients_where("id = ?") + " ORDER BY key");
    if (statement && recipients) {
        statement->bind(1, id);
        recipients->bind(1, id);
    }
    std::optional<Queued> found;
    auto read = for_each_row(std::move(statement), [&](const Statement& row) { found = queued_of(row); });
    if (read && found) {
        read = for_each_row(std::move(recipients), [&](const Statement& row) {
            found->waiting.push_back(waiting_of(row));
            found->envelope.recipients.push_back(found->waiting.back().as_recipient());
        });
    }
    if (!read) {
        return std::unexpected(read.error());
    }
    if (!found) {
        return fail(Failure::not_found, "there is no message " + std::string(id), "see `sekisho queue list`");
    }
    return std::move(*found);
}

Result<std::vector<Queued>> SpoolReader::list(std::size_t limit) const {
    const Snapshot snapshot(database_);
    auto statement = database_.prepare("SELECT id FROM messages ORDER BY number LIMIT ?");
    if (statement) {
        statement->bind(1, static_cast<std::int64_t>(limit));
    }
    std::vector<std::string> ids;
    auto read = for_each_row(std::move(statement), [&](const Statement& row) { ids.push_back(row.text(0)); });
    if (!read) {
        return std::unexpected(read.error());
    }
    std::vector<Queued> all;
    for (const std::string& id : ids) {
        if (auto queued = message(id)) {
            all.push_back(std::move(*queued));
        }
    }
    return all;
}

Result<std::uint64_t> SpoolReader::count() const {
    const auto count = database_.integer("SELECT count(*) FROM messages");
    return count ? Result<std::uint64_t>(static_cast<std::uint64_t>(*count)) : std::unexpected(count.error());
}

Result<std::string> SpoolReader::body(std::string_view id, std::uint64_t offset, std::size_t size) const {
    auto message = database_.prepare("SELECT number, in_file FROM messages WHERE id = ?");
    if (message) {
        message->bind(1, id);
    }
    std::int64_t row = 0;
    bool in_file = false;
    auto found = for_each_row(std::move(message), [&](const Statement& each) {
        row = each.integer(0);
        in_file = each.integer(1) != 0;
    });
    if (!found) {
        return std::unexpected(found.error());
    }
    if (row == 0) {
        return fail(Failure::not_found, "message " + std::string(id) + " is gone");
    }
    return in_file ? files_.part(id, offset, size) : pieces(row, offset, size);
}

Result<std::string> SpoolReader::pieces(std::int64_t message, std::uint64_t offset, std::size_t size) const {
    auto pieces = database_.prepare("SELECT octets FROM bodies WHERE key BETWEEN ? AND ? ORDER BY key");
    if (pieces) {
        pieces->bind(1, key_of(message, static_cast<std::int64_t>(offset / piece_size)))
            .bind(2, key_of(message, static_cast<std::int64_t>((offset + size) / piece_size)));
    }
    std::string part;
    std::size_t skip = offset % piece_size;
    auto read = for_each_row(std::move(pieces), [&](const Statement& each) {
        const std::string_view octets = each.octets(0);
        part += octets.substr(std::min(skip, octets.size()), size - part.size());
        skip = 0;
    });
    return read ? Result<std::string>(std::move(part)) : std::unexpected(read.error());
}

}  // namespace sekisho::spool
