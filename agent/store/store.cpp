// SPDX-License-Identifier: Apache-2.0
// Rows from actions.
#include "agent/store/store.h"

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "agent/store/schema.h"
#include "agent/store/session_rows.h"

namespace sekisho::store {

namespace {

// A login waits while the file is locked by somebody's shell; what is not written then is owed.
constexpr int busy_milliseconds = 100;
// 64 MiB: most of the pages have been written several times by then, and who writes waits for the disk only
// when the log begins anew.
constexpr int pages_copied_together = 16'384;

constexpr std::string_view save_boot = "INSERT INTO boots (id) VALUES (?) ON CONFLICT DO NOTHING";
constexpr std::string_view find_boot = "SELECT number FROM boots WHERE id = ?";
constexpr std::string_view save_grant =
    "INSERT OR REPLACE INTO grants (generation, key, pool, source, user, reason, since, renewed, "
    "expires_boot, expires_wall, boot, budget, edge_before, relay_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
    "?, ?, ?, ?, ?)";
constexpr std::string_view forget_grant = "DELETE FROM grants WHERE generation = ? AND key = ?";
constexpr std::string_view save_exemption =
    "INSERT OR REPLACE INTO exemptions (prefix, note, since) VALUES (?, ?, ?)";
constexpr std::string_view forget_exemption = "DELETE FROM exemptions WHERE prefix = ?";
constexpr std::string_view save_cool_down =
    "INSERT OR REPLACE INTO cool_downs (key, user, since, until_boot, until_wall, boot, cause) VALUES (?, ?, "
    "?, ?, ?, ?, ?)";
constexpr std::string_view forget_cool_down = "DELETE FROM cool_downs WHERE key = ?";
constexpr std::string_view save_quarantine =
    "INSERT OR REPLACE INTO quarantines (key, note, since) VALUES (?, ?, ?)";
constexpr std::string_view save_session =
    "INSERT OR REPLACE INTO sessions (number, nas, session_id, user, calling_station, classes, filters, "
    "prefixes, since, last_event, last_heard, interim_interval) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view forget_session = "DELETE FROM sessions WHERE number = ?";
constexpr std::string_view save_both_clocks =
    "INSERT OR REPLACE INTO clocks (one, boottime, wall, boot) VALUES (1, ?, ?, ?)";
constexpr std::string_view save_log_position =
    "INSERT OR REPLACE INTO log_positions (file, device, inode, offset, head_size, head, written) VALUES "
    "(?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view find_log_position =
    "SELECT device, inode, offset, head_size, head, written FROM log_positions WHERE file = ?";
constexpr std::string_view save_journal_cursor =
    "INSERT OR REPLACE INTO journal_positions (reporter, cursor) VALUES (?, ?)";
constexpr std::string_view find_journal_cursor = "SELECT cursor FROM journal_positions WHERE reporter = ?";
constexpr std::string_view forget_quarantine = "DELETE FROM quarantines WHERE key = ?";

std::int64_t number(const std::optional<std::chrono::nanoseconds>& before) {
    return before ? before->count() : -1;
}

std::int64_t number(grants::WallTime time) {
    return time.time_since_epoch().count();
}

}  // namespace

Store::Store(Database database, Statements statements)
    : database_(std::move(database)), statements_(std::move(statements)) {}

Result<Store> Store::open(const std::filesystem::path& file) {
    if (auto prepared = prepare_database_file(file); !prepared) {
        return std::unexpected(prepared.error());
    }
    auto database = Database::open(file, busy_milliseconds);
    if (!database) {
        return std::unexpected(database.error());
    }
    if (auto migrated = migrate(*database, schema()); !migrated) {
        return std::unexpected(migrated.error());
    }
    // With a write-ahead log a commit is one append, and somebody's look into the file doesn't hold up a
    // login. What a burst made of it is given back to the disk.
    if (auto set = database->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                 "PRAGMA journal_size_limit = 67108864;"
                                 "PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF");
        !set) {
        return std::unexpected(set.error());
    }
    if (auto beside = database->copy_log_beside(pages_copied_together); !beside) {
        return std::unexpected(beside.error());
    }
    Statements statements;
    for (const auto& [statement, sql] : {std::pair{&statements.save_boot, save_boot},
                                         {&statements.find_boot, find_boot},
                                         {&statements.save_grant, save_grant},
                                         {&statements.forget_grant, forget_grant},
                                         {&statements.save_exemption, save_exemption},
                                         {&statements.forget_exemption, forget_exemption},
                                         {&statements.save_cool_down, save_cool_down},
                                         {&statements.forget_cool_down, forget_cool_down},
                                         {&statements.save_quarantine, save_quarantine},
                                         {&statements.forget_quarantine, forget_quarantine},
                                         {&statements.save_session, save_session},
                                         {&statements.forget_session, forget_session},
                                         {&statements.save_clocks, save_both_clocks},
                                         {&statements.save_position, save_log_position},
                                         {&statements.save_cursor, save_journal_cursor}}) {
        auto prepared = database->prepare(sql);
        if (!prepared) {
            return std::unexpected(prepared.error());
        }
        *statement = std::move(*prepared);
    }
    return Store(std::move(*database), std::move(statements));
}

void Store::owe(const grants::SaveGrant& saved) {
    const auto [place, is_new] =
        owed_grants_.try_emplace(std::pair(saved.grant->generation, saved.grant->key),
                                 OwedGrant{.grant = saved.grant, .fresh = saved.fresh});
    if (!is_new) {
        place->second.grant = saved.grant;
    }
}

// While the disk can't be written, what came and went since is owed no more: a key may have many grants in a
// day.
void Store::owe(const grants::ForgetGrant& forgotten) {
    const auto place = owed_grants_.try_emplace(std::pair(forgotten.generation, forgotten.key)).first;
    if (place->second.fresh) {
        owed_grants_.erase(place);
    } else {
        place->second.grant = nullptr;
    }
}

// Notes what is to be written; whether there was anything.
bool Store::owe(const grants::Actions& actions) {
    bool news = false;
    for (const grants::Action& action : actions) {
        if (const auto* saved = std::get_if<grants::SaveGrant>(&action)) {
            owe(*saved);
        } else if (const auto* forgotten = std::get_if<grants::ForgetGrant>(&action)) {
            owe(*forgotten);
        } else if (const auto* cooling = std::get_if<grants::SaveCoolDown>(&action)) {
            owed_cool_downs_.insert_or_assign(cooling->cool_down.key, cooling->cool_down);
        } else if (const auto* cooled = std::get_if<grants::ForgetCoolDown>(&action)) {
            owed_cool_downs_.insert_or_assign(cooled->key, std::nullopt);
        } else if (const auto* shut = std::get_if<grants::SaveQuarantine>(&action)) {
            owed_quarantines_.insert_or_assign(shut->quarantine.key, shut->quarantine);
        } else if (const auto* released = std::get_if<grants::ForgetQuarantine>(&action)) {
            owed_quarantines_.insert_or_assign(released->key, std::nullopt);
        } else if (const auto* contract = std::get_if<grants::SaveExemption>(&action)) {
            owed_exemptions_.insert_or_assign(contract->exemption.prefix, contract->exemption);
        } else if (const auto* ended = std::get_if<grants::ForgetExemption>(&action)) {
            owed_exemptions_.insert_or_assign(ended->prefix, std::nullopt);
        } else {
            continue;
        }
        news = true;
    }
    return news;
}

// Who has ended after all is forgotten.
bool Store::owe(SessionRows&& rows) {
    const bool news = !rows.saved.empty() || !rows.ended.empty();
    for (subscribers::Session& session : rows.saved) {
        const std::uint64_t number = session.number;
        owed_sessions_.insert_or_assign(number, std::move(session));
    }
    for (const std::uint64_t number : rows.ended) {
        owed_sessions_.insert_or_assign(number, std::nullopt);
    }
    return news;
}

Result<void> Store::apply(const grants::Actions& actions, SessionRows&& rows) {
    const bool news = static_cast<int>(owe(actions)) + static_cast<int>(owe(std::move(rows))) > 0 || noted_;
    if (owed() == 0 || (!news && std::chrono::steady_clock::now() < retry_at_)) {
        return {};
    }
    return flush();
}

void Store::note(const grants::Actions& actions) {
    noted_ = owe(actions) || noted_;
}

Result<void> Store::flush() {
    noted_ = false;
    if (owed() == 0) {
        return {};
    }
    auto written = write();
    failing_ = !written;
    if (!written) {
        retry_at_ = std::chrono::steady_clock::now() + retry_interval;
        return written;
    }
    owed_grants_.clear();
    owed_exemptions_.clear();
    owed_cool_downs_.clear();
    owed_quarantines_.clear();
    owed_sessions_.clear();
    return {};
}

// Contracts must survive a power failure, and so must the end of a grant: after the reboot it would live
// again. So must who has an address: contracts go with it. A grant that is lost with the power costs another
// login, and a login should not wait for the disk.
Result<void> Store::make_durable(bool durable) {
    if (durable == durable_) {
        return {};
    }
    auto set = database_.run(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    if (set) {
        durable_ = durable;
    }
    return set;
}

Result<void> Store::write() {
    bool durable = !owed_exemptions_.empty() || !owed_quarantines_.empty() || !owed_sessions_.empty();
    for (const auto& [key, owed] : owed_grants_) {
        durable = durable || !owed.grant;
    }
    if (auto set = make_durable(durable); !set) {
        return set;
    }
    auto transaction = Transaction::begin(database_);
    if (!transaction) {
        return std::unexpected(transaction.error());
    }
    if (auto written = write_owed(); !written) {
        return written;
    }
    return transaction->commit();
}

Result<void> Store::write_owed() {
    for (const auto write : {&Store::write_grants, &Store::write_exemptions, &Store::write_cool_downs,
                             &Store::write_quarantines, &Store::write_sessions}) {
        if (auto written = (this->*write)(); !written) {
            return written;
        }
    }
    return {};
}

Result<std::int64_t> Store::number_of_boot(const std::string& id) {
    statements_.save_boot.bind(1, id);
    if (auto saved = statements_.save_boot.run(); !saved) {
        return std::unexpected(saved.error());
    }
    statements_.find_boot.bind(1, id);
    if (const auto found = statements_.find_boot.step(); !found) {
        return std::unexpected(found.error());
    }
    const std::int64_t number = statements_.find_boot.integer(0);
    if (auto ended = statements_.find_boot.run(); !ended) {
        return std::unexpected(ended.error());
    }
    return number;
}

Result<void> Store::write_grants() {
    const std::string* boot = nullptr;  // of the one before: mostly the same
    std::int64_t boot_number = 0;
    for (const auto& [key, owed] : owed_grants_) {
        const auto& grant = owed.grant;
        if (grant && (boot == nullptr || *boot != grant->boot)) {
            const auto found = number_of_boot(grant->boot);
            if (!found) {
                return std::unexpected(found.error());
            }
            boot = &grant->boot;
            boot_number = *found;
        }
        Statement& statement = grant ? statements_.save_grant : statements_.forget_grant;
        statement.bind(1, std::int64_t{key.first}).bind(2, key.second.text());
        if (grant) {
            statement.bind(3, grant->pool)
                .bind(4, grant->source)
                .bind(5, grant->user)
                .bind(6, grant->reason)
                .bind(7, number(grant->since))
                .bind(8, number(grant->renewed))
                .bind(9, grant->expires.count())
                .bind(10, number(grant->expires_wall))
                .bind(11, boot_number)
                .bind(12, std::int64_t{grant->budget})
                .bind(13, number(grant->edge_before))
                .bind(14, number(grant->relay_before));
        }
        if (auto done = statement.run(); !done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::write_exemptions() {
    for (const auto& [prefix, exemption] : owed_exemptions_) {
        Statement& statement = exemption ? statements_.save_exemption : statements_.forget_exemption;
        statement.bind(1, prefix.text());
        if (exemption) {
            statement.bind(2, exemption->note).bind(3, number(exemption->since));
        }
        if (auto done = statement.run(); !done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::write_cool_downs() {
    for (const auto& [key, cool_down] : owed_cool_downs_) {
        Statement& statement = cool_down ? statements_.save_cool_down : statements_.forget_cool_down;
        statement.bind(1, key.text());
        if (cool_down) {
            statement.bind(2, cool_down->user)
                .bind(3, number(cool_down->since))
                .bind(4, cool_down->until.count())
                .bind(5, number(cool_down->until_wall))
                .bind(6, cool_down->boot)
                .bind(7, std::string(grants::to_string(cool_down->cause)));
        }
        if (auto done = statement.run(); !done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::write_quarantines() {
    for (const auto& [key, quarantine] : owed_quarantines_) {
        Statement& statement = quarantine ? statements_.save_quarantine : statements_.forget_quarantine;
        statement.bind(1, key.text());
        if (quarantine) {
            statement.bind(2, quarantine->note).bind(3, number(quarantine->since));
        }
        if (auto done = statement.run(); !done) {
            return done;
        }
    }
    return {};
}

Result<void> Store::save_clocks(const grants::Now& now) {
    // After a power failure an earlier moment is there, which is as good for the grants of then.
    if (auto set = make_durable(false); !set) {
        return set;
    }
    return statements_.save_clocks.bind(1, now.boottime.count())
        .bind(2, number(now.wall))
        .bind(3, now.boot)
        .run();
}

Result<void> Store::save_position(const std::filesystem::path& log, const FilePosition& position) {
    // Lines that are read again open nothing that they didn't open before.
    if (auto set = make_durable(false); !set) {
        return set;
    }
    Statement& statement = statements_.save_position;
    statement.bind(1, log.string());
    int column = 2;
    for (const std::uint64_t each : {position.device, position.inode, position.offset, position.head_size,
                                     position.head, position.written}) {
        statement.bind(column++, static_cast<std::int64_t>(each));
    }
    return statement.run();
}

Result<std::optional<FilePosition>> Store::position_of(const std::filesystem::path& log) const {
    auto statement = database_.prepare(find_log_position);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    statement->bind(1, log.string());
    const auto row = statement->step();
    if (!row) {
        return std::unexpected(row.error());
    }
    if (!*row) {
        return std::nullopt;
    }
    const auto number_at = [&statement](int column) {
        return static_cast<std::uint64_t>(statement->integer(column));
    };
    return FilePosition{.device = number_at(0),
                        .inode = number_at(1),
                        .offset = number_at(2),
                        .head_size = number_at(3),
                        .head = number_at(4),
                        .written = number_at(5)};
}

Result<void> Store::save_cursor(const std::string& reporter, const std::string& cursor) {
    if (auto set = make_durable(false); !set) {
        return set;
    }
    statements_.save_cursor.bind(1, reporter);
    statements_.save_cursor.bind(2, cursor);
    return statements_.save_cursor.run();
}

Result<std::optional<std::string>> Store::cursor_of(const std::string& reporter) const {
    auto statement = database_.prepare(find_journal_cursor);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    statement->bind(1, reporter);
    const auto row = statement->step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return *row ? std::optional<std::string>(statement->text(0)) : std::nullopt;
}

}  // namespace sekisho::store
