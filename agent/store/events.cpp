// SPDX-License-Identifier: Apache-2.0
// Events as rows.
#include "agent/store/events.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/schema.h"
#include "agent/store/set_aside.h"

namespace sekisho::store {

namespace {

// Whoever reads the file with another tool holds the agent up no longer than this.
constexpr int event_busy_milliseconds = 50;
// 64 MiB: the index of keys is written all over.
constexpr int events_copied_together = 16'384;
// What is deleted in one go must not hold up a login.
constexpr std::int64_t expire_at_once = 5'000;
// So many are looked at between two looks at the clock: that takes some 20 ms.
constexpr std::uint64_t looked_at_together = 100'000;

// `at` is in nanoseconds since 1970, UTC; `key` the first address as octets, so that what lies within a
// prefix stands together, and its length.
constexpr std::array<const char*, 1> event_steps = {
    R"(
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        key BLOB,
        length INTEGER,
        user TEXT NOT NULL,
        reporter TEXT NOT NULL,
        protocol TEXT NOT NULL,
        rule TEXT NOT NULL,
        session INTEGER NOT NULL,
        by TEXT NOT NULL,
        lasts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX events_by_key ON events (key, id);
    CREATE INDEX events_by_user ON events (user, id) WHERE user <> '';
    )",
};

constexpr Schema events_schema = {.application_id = 0x536b6576,  // "Skev"
                                  .steps = event_steps,
                                  .program = "sekishod",
                                  .setting = "[events] path",
                                  .if_newer = "it is moved aside, and another one begun",
                                  .if_damaged = "it is moved aside, and another one begun",
                                  .quick_check = false};

constexpr std::string_view insert_event =
    "INSERT INTO events (id, at, name, text, key, length, user, reporter, protocol, rule, session, by, "
    "lasts) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view select_events =
    "SELECT id, at, name, text, key, length, user, reporter, protocol, rule, session, by, lasts FROM events";

// The octets of an address: 4 or 16 of them, so that the families don't mix.
std::string_view octets_of(const Address& address) {
    const std::size_t size = address.family == Family::ipv4 ? 4 : 16;
    return {reinterpret_cast<const char*>(address.bytes.data()), size};  // octets are octets
}

std::optional<Prefix> key_of(std::string_view octets, std::int64_t length) {
    if (octets.size() != 4 && octets.size() != 16) {
        return std::nullopt;
    }
    Prefix key;
    key.address.family = octets.size() == 4 ? Family::ipv4 : Family::ipv6;
    for (std::size_t i = 0; i < octets.size(); i++) {
        key.address.bytes.at(i) = static_cast<std::uint8_t>(octets[i]);
    }
    key.length = static_cast<int>(length);
    return key;
}

Event event_of(const Statement& row) {
    Event event{.id = static_cast<std::uint64_t>(row.integer(0)),
                .when = grants::WallTime(std::chrono::nanoseconds(row.integer(1))),
                .name = row.text(2),
                .text = row.text(3),
                .key = {},
                .user = row.text(6),
                .reporter = row.text(7),
                .protocol = row.text(8),
                .rule = row.text(9),
                .session = static_cast<std::uint64_t>(row.integer(10)),
                .by = row.text(11),
                .lasts = std::chrono::seconds(row.integer(12))};
    event.key = key_of(row.octets(4), row.integer(5));
    return event;
}

void bind(Statement& statement, const Event& event) {
    statement.bind(1, static_cast<std::int64_t>(event.id))
        .bind(2, event.when.time_since_epoch().count())
        .bind(3, event.name)
        .bind(4, event.text)
        .bind_blob(5, event.key ? octets_of(event.key->address) : std::string_view())
        .bind(6, std::int64_t{event.key ? event.key->length : 0})
        .bind(7, event.user)
        .bind(8, event.reporter)
        .bind(9, event.protocol)
        .bind(10, event.rule)
        .bind(11, static_cast<std::int64_t>(event.session))
        .bind(12, event.by)
        .bind(13, event.lasts.count());
}

// What follows "FROM events", and what is to be bound to its question marks behind the first two.
struct Condition {
    std::string sql = " WHERE id > ? AND id <= ?";
    std::vector<std::pair<std::string, bool>> texts;  // true: a blob
};

Condition condition_of(const EventFilter& filter, bool wide_window) {
    Condition condition;
    const auto add = [&condition](std::string_view sql, std::string value, bool blob = false) {
        condition.sql += " AND " + std::string(sql);
        condition.texts.emplace_back(std::move(value), blob);
    };
    if (filter.within) {
        // The index is looked through anew for each window: only where it has little of the prefix, about one
        // subscriber's, and the window has much.
        const bool narrow =
            filter.within->length >= (filter.within->address.family == Family::ipv4 ? 32 : 48);
        const bool by_key = narrow && wide_window && filter.user.empty();
        condition.sql.insert(0, by_key ? " INDEXED BY events_by_key" : "");
        const std::string key = by_key ? "key" : "+key";
        const Address last = filter.within->address.last(filter.within->length);
        add(key + " >= ?", std::string(octets_of(filter.within->address)), true);
        add(key + " <= ?", std::string(octets_of(last)), true);
        condition.sql += " AND length(key) = " + std::to_string(octets_of(last).size());
    }
    for (const auto& [column, value] : {std::pair("name", &filter.name), std::pair("user", &filter.user),
                                        std::pair("reporter", &filter.reporter)}) {
        if (!value->empty()) {
            add(std::string(column) + " = ?", *value);
        }
    }
    // SQLite takes an index of a part of the rows only where the query says the same.
    if (!filter.user.empty()) {
        condition.sql += " AND user <> ''";
    }
    if (filter.session != 0) {
        condition.sql += " AND session = " + std::to_string(static_cast<std::int64_t>(filter.session));
    }
    if (filter.since) {
        condition.sql += " AND at >= " + std::to_string(filter.since->time_since_epoch().count());
    }
    return condition;
}

// Written, and deleted, between two looks at the file's size: one alone seldom frees a page.
constexpr std::size_t together = 100;

Result<Database> open_database(const std::filesystem::path& file) {
    if (auto prepared = prepare_database_file(file); !prepared) {
        return std::unexpected(prepared.error());
    }
    auto database = Database::open(file, event_busy_milliseconds);
    if (!database) {
        return std::unexpected(database.error());
    }
    if (auto migrated = migrate(*database, events_schema); !migrated) {
        return std::unexpected(migrated.error());
    }
    if (auto set = database->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                 "PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF");
        !set) {
        return std::unexpected(set.error());
    }
    if (auto beside = database->copy_log_beside(events_copied_together); !beside) {
        return std::unexpected(beside.error());
    }
    return database;
}

}  // namespace

Events::Events(Database database, Statement insert, const EventRetention& retention, std::uint64_t last)
    : database_(std::move(database)), insert_(std::move(insert)), retention_(retention), last_(last) {}

Result<Events> Events::open(const std::filesystem::path& file, const EventRetention& retention) {
    const bool ours = may_be_ours(file);
    auto database = open_database(file);
    if (!database && ours && database.error().kind == Failure::invalid) {
        const std::string why = database.error().what;
        const auto moved = set_aside(file);
        if (!moved) {
            return std::unexpected(moved.error());
        }
        log::error("EVENTS_SET_ASIDE", why, {{"moved_to", moved->string()}});
        database = open_database(file);
    }
    if (!database) {
        return std::unexpected(database.error());
    }
    auto insert = database->prepare(insert_event);
    const auto last = database->integer("SELECT max(id) FROM events");
    if (!insert || !last) {
        return std::unexpected(insert ? last.error() : insert.error());
    }
    return Events(std::move(*database), std::move(*insert), retention, static_cast<std::uint64_t>(*last));
}

void Events::add(Event event) {
    event.id = ++last_;
    if (waiting_.size() == most_waiting) {
        waiting_.pop_front();
        lost_++;
    }
    waiting_.push_back(std::move(event));
}

// Room is made after each few: else the file would become larger by all that has waited.
Result<void> Events::write_waiting(std::uint64_t used_before) {
    std::size_t written = 0;
    for (const Event& event : waiting_) {
        bind(insert_, event);
        if (auto done = insert_.run(); !done) {
            return done;
        }
        written++;
        if (written % together == 0 || written == waiting_.size()) {
            if (auto made = make_room(used_before); !made) {
                return made;
            }
        }
    }
    return {};
}

// However fast they come: the oldest go as the new ones come, until the file is no larger than it was or than
// is to be kept.
Result<void> Events::make_room(std::uint64_t used_before) {
    const std::uint64_t most = std::max(retention_.size, used_before);
    while (true) {
        const auto size = used();
        if (!size) {
            return std::unexpected(size.error());
        }
        if (*size <= most) {
            return {};
        }
        const auto first = database_.integer("SELECT min(id) FROM events");
        if (!first) {
            return std::unexpected(first.error());
        }
        if (*first == 0) {
            return {};  // there are none
        }
        if (auto deleted = delete_until(*first + static_cast<std::int64_t>(together) - 1); !deleted) {
            return deleted;
        }
    }
}

Result<void> Events::flush() {
    if (waiting_.empty()) {
        return {};
    }
    const auto before = used();
    if (!before) {
        return std::unexpected(before.error());
    }
    auto transaction = Transaction::begin(database_);
    if (!transaction) {
        return std::unexpected(transaction.error());
    }
    if (auto written = write_waiting(*before); !written) {
        return written;
    }
    if (auto committed = transaction->commit(); !committed) {
        return committed;
    }
    waiting_.clear();
    return {};
}

Result<std::uint64_t> Events::used() const {
    std::array<std::uint64_t, 3> numbers{};
    std::size_t at = 0;
    for (const char* const pragma : {"PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"}) {
        const auto number = database_.integer(pragma);
        if (!number) {
            return std::unexpected(number.error());
        }
        numbers.at(at++) = static_cast<std::uint64_t>(*number);
    }
    return (numbers[0] - numbers[1]) * numbers[2];
}

// What has gone leaves room in the file, which the next ones take: it grows no further.
Result<bool> Events::expire(grants::WallTime now) {
    const auto size = used();
    if (!size) {
        return std::unexpected(size.error());
    }
    auto last = database_.prepare(
        "SELECT coalesce(max(id), 0) FROM (SELECT id, at FROM events ORDER BY id LIMIT ?) WHERE ? OR at < ?");
    if (!last) {
        return std::unexpected(last.error());
    }
    last->bind(1, expire_at_once)
        .bind(2, std::int64_t{*size > retention_.size ? 1 : 0})
        .bind(3, (now - retention_.time).time_since_epoch().count());
    if (const auto row = last->step(); !row) {
        return std::unexpected(row.error());
    }
    const std::int64_t id = last->integer(0);
    if (id == 0) {
        return false;
    }
    if (auto deleted = delete_until(id); !deleted) {
        return std::unexpected(deleted.error());
    }
    return true;
}

Result<void> Events::delete_until(std::int64_t id) {
    auto statement = database_.prepare("DELETE FROM events WHERE id <= ?");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    return statement->bind(1, id).run();
}

Result<void> Events::look(const EventFilter& filter, const Window& window, std::size_t count,
                          std::vector<Event>& found) const {
    constexpr std::uint64_t wide = 1'000;
    const Condition condition = condition_of(filter, window.second - window.first > wide);
    const std::string in_order = filter.after != 0 ? " ORDER BY id LIMIT " : " ORDER BY id DESC LIMIT ";
    auto statement =
        database_.prepare(std::string(select_events) + condition.sql + in_order + std::to_string(count));
    if (!statement) {
        return std::unexpected(statement.error());
    }
    int at = 1;
    for (const std::uint64_t bound : {window.first, window.second}) {
        statement->bind(at++, static_cast<std::int64_t>(bound));
    }
    for (const auto& [value, blob] : condition.texts) {
        blob ? statement->bind_blob(at++, value) : statement->bind(at++, value);
    }
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
        found.push_back(event_of(*statement));
    }
}

// Whether all of the window were long before that time: clocks are set, but seldom by more than a day.
bool Events::is_long_before(grants::WallTime time, const Window& window) const {
    auto statement = database_.prepare("SELECT max(at) FROM events WHERE id > ? AND id <= ?");
    if (!statement) {
        return false;
    }
    const auto row = statement->bind(1, static_cast<std::int64_t>(window.first))
                         .bind(2, static_cast<std::int64_t>(window.second))
                         .step();
    return row && *row && statement->integer(0) < (time - std::chrono::days(1)).time_since_epoch().count();
}

Result<FoundEvents> Events::find(const EventFilter& filter, std::size_t count,
                                 std::chrono::milliseconds patience) {
    if (auto written = flush(); !written) {
        return std::unexpected(written.error());
    }
    const auto first = database_.integer("SELECT min(id) FROM events");
    if (!first) {
        return std::unexpected(first.error());
    }
    const bool forward = filter.after != 0;
    const auto until = std::chrono::steady_clock::now() + patience;
    // What is left to look at.
    Window left{std::max(filter.after, static_cast<std::uint64_t>(std::max<std::int64_t>(*first, 1)) - 1),
                filter.before == 0 ? last_ : std::min(last_, filter.before - 1)};
    FoundEvents found;
    while (left.first < left.second && found.events.size() < count) {
        const std::uint64_t size = std::min(looked_at_together, left.second - left.first);
        const Window window =
            forward ? Window{left.first, left.first + size} : Window{left.second - size, left.second};
        if (auto looked = look(filter, window, count - found.events.size(), found.events); !looked) {
            return std::unexpected(looked.error());
        }
        (forward ? left.first : left.second) = forward ? window.second : window.first;
        if (!forward && filter.since && is_long_before(*filter.since, window)) {
            left.second = left.first;
        }
        if (std::chrono::steady_clock::now() >= until) {
            break;
        }
    }
    const bool full = found.events.size() >= count && count != 0;
    if (forward) {
        // An id from before the file was begun anew must not wait for itself.
        found.next = full ? found.events.back().id : std::min(std::max(left.first, filter.after), last_);
        return found;
    }
    const std::uint64_t earliest = full ? found.events.back().id : left.second + 1;
    found.next = earliest > left.first + 1 ? earliest : 0;
    std::ranges::reverse(found.events);
    return found;
}

}  // namespace sekisho::store
