// SPDX-License-Identifier: Apache-2.0
// A SQLite database and its statements as values that clean up after themselves, with errors an operator can
// read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sekisho {

class KeptStatements;
class LogCopier;

// One prepared statement. Values are only ever bound, never written into the text. Its database keeps it when
// it ends, for whoever asks for the same text next: preparing takes longer than most of them run.
class Statement {
public:
    // The n-th "?", counted from 1. A bound text is copied.
    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, std::int64_t number);
    Statement& bind_blob(int index, std::string_view octets);

    // Goes to the next row: false after the last one. After an error or the last row it can be bound and run
    // again.
    [[nodiscard]] Result<bool> step();
    // Runs it to its end.
    [[nodiscard]] Result<void> run();

    // A column of the row that step() went to, counted from 0.
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    // A blob, until the next step.
    [[nodiscard]] std::string_view octets(int column) const;

private:
    friend class Database;
    struct GiveBack {
        std::weak_ptr<KeptStatements> to;
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, GiveBack> statement_;
    int bind_error_ = 0;  // told by the next step()
};

// Used by one thread, with its statements; another thread opens its own.
class Database {
public:
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    // Opens a file, which must exist, for reading and writing. How long to wait for another process's lock.
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& file, int busy_milliseconds);

    [[nodiscard]] Result<Statement> prepare(std::string_view sql) const;
    // Runs one or several statements without values.
    [[nodiscard]] Result<void> run(const char* sql) const;
    // The first column of the first row: 0 or "" if there is none.
    [[nodiscard]] Result<std::int64_t> integer(std::string_view sql) const;
    [[nodiscard]] Result<std::string> text(std::string_view sql) const;

    [[nodiscard]] const std::filesystem::path& file() const { return file_; }
    // Whether no transaction is open.
    [[nodiscard]] bool idle() const;

    // From now on the write-ahead log is copied into the file by a thread beside, as soon as it has so many
    // pages, and not by who commits. Whoever has the database in several processes does it in one.
    [[nodiscard]] Result<void> copy_log_beside(int pages);
    // How many pages the log has since the last commit; 0 without that thread.
    [[nodiscard]] std::int64_t pages_in_log() const;
    // Why that thread can't copy: the log grows meanwhile. Nothing if it can, or there is none.
    [[nodiscard]] std::optional<Error> copy_trouble() const;
    // How many pages the log has, and how many of them the file has, too.
    struct CopiedLog {
        std::int64_t pages = 0;
        std::int64_t copied = 0;
        bool busy = false;  // another connection copies right now: nothing was done
    };
    // Copies as much of the log as nobody stands in the way of (a PASSIVE checkpoint) and waits for the disk.
    [[nodiscard]] Result<CopiedLog> copy_log() const;
    // The rowid of the last INSERT, and how many rows the last statement has changed.
    [[nodiscard]] std::int64_t last_row() const;
    [[nodiscard]] std::int64_t changes() const;
    // By all statements since it was opened.
    [[nodiscard]] std::int64_t all_changes() const;

private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    Database();

    std::unique_ptr<sqlite3, Close> database_;
    std::filesystem::path file_;
    std::shared_ptr<KeptStatements> kept_;
    std::unique_ptr<LogCopier> copier_;
};

// Runs a statement to its end, with `each` for every row (a const Statement&).
template <class Each>
[[nodiscard]] Result<void> for_each_row(Result<Statement> statement, const Each& each) {
    if (!statement) {
        return std::unexpected(statement.error());
    }
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
        each(*statement);
    }
}

// Makes sure that there is a file that only its owner can read: SQLite would create it for everybody to read,
// and gives the files beside it the mode of this one. Its directory is made with 0700 if only that is
// missing.
[[nodiscard]] Result<void> prepare_database_file(const std::filesystem::path& file);

// All or nothing: what is not committed is undone when it goes out of scope.
class Transaction {
public:
    [[nodiscard]] static Result<Transaction> begin(const Database& database);
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

    [[nodiscard]] Result<void> commit();

private:
    explicit Transaction(const Database& database) : database_(&database) {}
    const Database* database_;
};

}  // namespace sekisho
