// SPDX-License-Identifier: Apache-2.0
// Copies the write-ahead log of a SQLite database into the database's file, in a thread of its own. Left to
// SQLite, whoever commits does it and waits for the disk twice (sqlite.org/wal.html, section 3).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "agent/base/result.h"

namespace sekisho {

class Database;

// grown_to() is called by one thread, the one that commits.
class LogCopier {
public:
    // Begins to copy when the log of that file has so many pages, through a connection of its own.
    [[nodiscard]] static Result<std::unique_ptr<LogCopier>> start(const std::filesystem::path& file,
                                                                  std::int64_t pages);
    LogCopier(const LogCopier&) = delete;
    LogCopier& operator=(const LogCopier&) = delete;
    // Waits for the copying that is under way.
    ~LogCopier();

    // After each commit: so many pages are in the log. Whether it is the caller's turn to copy the rest,
    // since only a log of which all is copied begins anew, and it grows while it is copied. Mostly that is
    // little; if commits come faster than the disk can write, it first waits for the copying that is under
    // way.
    [[nodiscard]] bool grown_to(std::int64_t pages);

    // That many are in the log, as far as grown_to() was told. Any thread may ask.
    [[nodiscard]] std::int64_t pages() const;

    // Why the last copying failed; nothing if it didn't. Any thread may ask.
    [[nodiscard]] std::optional<Error> trouble() const;

private:
    LogCopier(Database database, std::int64_t pages);
    void work(const std::stop_token& stop);
    [[nodiscard]] bool await_work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
    void note_copied(std::int64_t copied, std::int64_t in_log);
    void note_failure(std::optional<Error> trouble);
    [[nodiscard]] bool is_due() const { return pages_ >= due_at_ && !callers_turn_; }

    std::unique_ptr<Database> database_;
    const std::int64_t at_once_;
    mutable std::mutex mutex_;
    std::condition_variable_any grown_;
    std::condition_variable_any idle_;
    std::int64_t pages_ = 0;   // in the log
    std::int64_t due_at_ = 0;  // when the log has so many
    std::int64_t full_at_ = 0;
    std::int64_t copied_ = 0;  // by the last copying
    bool copying_ = false;
    bool little_left_ = false;
    bool callers_turn_ = false;
    std::optional<Error> trouble_;
    std::jthread thread_;  // the last one: it uses the others
};

}  // namespace sekisho
