// SPDX-License-Identifier: Apache-2.0
// The only file that calls SQLite.
#include "agent/base/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <utility>

#include "agent/base/log_copier.h"

namespace sekisho {

namespace {

std::string remedy_of(int code, const std::string& file) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return "free some space on the disk that holds " + file;
        case SQLITE_IOERR:
            return "look at the health and the free space of the disk that holds " + file;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "another program holds " + file + ": end it, or let it finish";
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return "move " + file + " and all files " + file +
                   "-* away and start again; what was in it must be added again, or come from a backup";
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_CANTOPEN:
        case SQLITE_AUTH:
            return "let the daemon's user write " + file + " and its directory";
        default:
            return {};
    }
}

std::unexpected<Error> failure(int code, const std::string& file, std::string_view detail) {
    std::string what = file + ": " + sqlite3_errstr(code & 0xff);
    if (!detail.empty() && detail != sqlite3_errstr(code & 0xff)) {
        what.append(" (").append(detail).append(")");
    }
    const bool damaged = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
    return fail(damaged ? Failure::invalid : Failure::unavailable, std::move(what), remedy_of(code, file));
}

std::string file_of(sqlite3_stmt* statement) {
    const char* const name = sqlite3_db_filename(sqlite3_db_handle(statement), "main");
    return name == nullptr ? std::string() : name;
}

std::unexpected<Error> unusable(const std::filesystem::path& file, const std::string& why) {
    return fail(Failure::unavailable, file.string() + ": " + why,
                "let the daemon's user create and write this file, or name another in the configuration");
}

// Of texts, of which programs have dozens; what a condition is put together from could be more.
constexpr std::size_t most_kept = 64;

// What SQLite calls after each commit. What is left may as well be left: it isn't the commit that fails.
int after_commit(void* copier, sqlite3* database, const char* name, int pages) {
    if (static_cast<LogCopier*>(copier)->grown_to(pages)) {
        sqlite3_wal_checkpoint_v2(database, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    }
    return SQLITE_OK;
}

}  // namespace

// Statements that nobody uses now.
class KeptStatements {
public:
    KeptStatements() = default;
    KeptStatements(const KeptStatements&) = delete;
    KeptStatements& operator=(const KeptStatements&) = delete;
    ~KeptStatements() {
        for (const auto& [text, statement] : by_text_) {
            sqlite3_finalize(statement);
        }
    }

    // Null where there is none.
    [[nodiscard]] sqlite3_stmt* take(std::string_view text) {
        const auto found = by_text_.find(text);
        if (found == by_text_.end()) {
            return nullptr;
        }
        sqlite3_stmt* const statement = found->second;
        by_text_.erase(found);
        return statement;
    }
    void keep(sqlite3_stmt* statement) {
        // In the middle of its rows it would hold up the log's copying.
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        if (by_text_.size() < most_kept) {
            by_text_.emplace(sqlite3_sql(statement), statement);
        } else {
            sqlite3_finalize(statement);
        }
    }

private:
    std::multimap<std::string, sqlite3_stmt*, std::less<>> by_text_;
};

void Statement::GiveBack::operator()(sqlite3_stmt* statement) const {
    if (const auto kept = to.lock()) {
        kept->keep(statement);
    } else {
        sqlite3_finalize(statement);
    }
}

Statement& Statement::bind(int index, std::string_view text) {
    // A null pointer would bind NULL.
    const char* bytes = text.empty() ? "" : text.data();
    const int code =
        sqlite3_bind_text64(statement_.get(), index, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    bind_error_ = code == SQLITE_OK ? bind_error_ : code;
    return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
    const int code = sqlite3_bind_int64(statement_.get(), index, number);
    bind_error_ = code == SQLITE_OK ? bind_error_ : code;
    return *this;
}

Statement& Statement::bind_blob(int index, std::string_view octets) {
    const char* bytes = octets.empty() ? "" : octets.data();
    const int code = sqlite3_bind_blob64(statement_.get(), index, bytes, octets.size(), SQLITE_TRANSIENT);
    bind_error_ = code == SQLITE_OK ? bind_error_ : code;
    return *this;
}

Result<bool> Statement::step() {
    if (const int code = std::exchange(bind_error_, SQLITE_OK); code != SQLITE_OK) {
        return failure(code, file_of(statement_.get()), {});
    }
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        sqlite3_reset(statement_.get());
        return false;
    }
    auto failed =
        failure(code, file_of(statement_.get()), sqlite3_errmsg(sqlite3_db_handle(statement_.get())));
    sqlite3_reset(statement_.get());
    return failed;
}

Result<void> Statement::run() {
    while (true) {
        const auto row = step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
    }
}

std::string Statement::text(int column) const {
    const auto* bytes = sqlite3_column_text(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return bytes == nullptr
               ? std::string()
               : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::octets(int column) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return bytes == nullptr
               ? std::string_view()
               : std::string_view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

void Database::Close::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);  // waits for the statements that are still alive
}

Database::Database() = default;
Database::Database(Database&& other) noexcept = default;
Database& Database::operator=(Database&& other) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::filesystem::path& file, int busy_milliseconds) {
    // Nobody asks SQLite for its use of memory, and counting it takes a lock for each allocation.
    [[maybe_unused]] static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3* raw = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
    Database database;
    database.database_.reset(raw);  // there is one even after most failures
    database.file_ = file;
    database.kept_ = std::make_shared<KeptStatements>();
    if (code != SQLITE_OK) {
        return failure(code, file.string(), raw == nullptr ? "" : sqlite3_errmsg(raw));
    }
    sqlite3_busy_timeout(raw, busy_milliseconds);
    return database;
}

Result<Statement> Database::prepare(std::string_view sql) const {
    sqlite3_stmt* raw = kept_->take(sql);
    if (raw == nullptr) {
        const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
        if (code != SQLITE_OK) {
            return failure(code, file_.string(), sqlite3_errmsg(database_.get()));
        }
    }
    Statement statement;
    statement.statement_ = {raw, Statement::GiveBack{kept_}};
    return statement;
}

Result<void> Database::run(const char* sql) const {
    const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return failure(code, file_.string(), sqlite3_errmsg(database_.get()));
    }
    return {};
}

Result<std::int64_t> Database::integer(std::string_view sql) const {
    auto statement = prepare(sql);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return *row ? statement->integer(0) : 0;
}

Result<std::string> Database::text(std::string_view sql) const {
    auto statement = prepare(sql);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return *row ? statement->text(0) : std::string();
}

bool Database::idle() const {
    return sqlite3_get_autocommit(database_.get()) != 0;
}

Result<void> Database::copy_log_beside(int pages) {
    auto copier = LogCopier::start(file_, pages);
    if (!copier) {
        return std::unexpected(copier.error());
    }
    copier_ = std::move(*copier);
    sqlite3_wal_hook(database_.get(), after_commit, copier_.get());  // instead of SQLite's own
    return {};
}

std::int64_t Database::pages_in_log() const {
    return copier_ ? copier_->pages() : 0;
}

std::optional<Error> Database::copy_trouble() const {
    return copier_ ? copier_->trouble() : std::nullopt;
}

Result<Database::CopiedLog> Database::copy_log() const {
    int pages = 0;
    int copied = 0;
    const int code =
        sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if ((code & 0xff) == SQLITE_BUSY) {
        return CopiedLog{.pages = 0, .copied = 0, .busy = true};
    }
    if (code != SQLITE_OK) {
        return failure(code, file_.string(), sqlite3_errmsg(database_.get()));
    }
    return CopiedLog{.pages = pages, .copied = copied, .busy = false};
}

// Immediate: a lock that can't be had is known before anything is written.
Result<Transaction> Transaction::begin(const Database& database) {
    if (auto begun = database.run("BEGIN IMMEDIATE"); !begun) {
        return std::unexpected(begun.error());
    }
    return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    // A full disk may have undone it already.
    if (database_ != nullptr && !database_->idle()) {
        static_cast<void>(database_->run("ROLLBACK"));
    }
}

Result<void> Transaction::commit() {
    auto committed = database_->run("COMMIT");
    if (committed) {
        database_ = nullptr;
    }
    return committed;
}

std::int64_t Database::last_row() const {
    return sqlite3_last_insert_rowid(database_.get());
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(database_.get());
}

std::int64_t Database::all_changes() const {
    return sqlite3_total_changes64(database_.get());
}

Result<void> prepare_database_file(const std::filesystem::path& file) {
    const std::filesystem::path directory = file.parent_path();
    if (!directory.empty() && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return unusable(file, "its directory can't be made: " + std::string(std::strerror(errno)));
    }
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (descriptor < 0) {
        return unusable(file, std::strerror(errno));
    }
    struct stat status{};
    std::string trouble;
    if (::fstat(descriptor, &status) != 0) {
        trouble = std::strerror(errno);
    } else if (!S_ISREG(status.st_mode)) {
        trouble = "not a regular file";
    } else if ((status.st_mode & 077U) != 0 && ::fchmod(descriptor, 0600) != 0) {
        trouble = "others can read it, and this can't be changed: " + std::string(std::strerror(errno));
    }
    ::close(descriptor);
    return trouble.empty() ? Result<void>() : unusable(file, trouble);
}

}  // namespace sekisho
