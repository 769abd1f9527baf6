// SPDX-License-Identifier: Apache-2.0
// The thread, and when it has something to do.
#include "agent/base/log_copier.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "agent/base/database.h"
#include "agent/base/log.h"

namespace sekisho {

namespace {

constexpr int copier_busy_milliseconds = 100;
// Of what begins a copying: who commits can copy as much without being held up.
constexpr std::int64_t part_that_is_little = 16;
// Of the same: then the disk can't follow.
constexpr std::int64_t times_that_are_too_much = 4;
constexpr std::chrono::seconds time_after_failure{5};

// Signals are for the daemon's own thread: a new thread blocks what blocks who starts it.
class WithoutSignals {
public:
    WithoutSignals() {
        sigset_t all{};
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    WithoutSignals(const WithoutSignals&) = delete;
    WithoutSignals& operator=(const WithoutSignals&) = delete;
    ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace

LogCopier::LogCopier(Database database, std::int64_t pages)
    : database_(std::make_unique<Database>(std::move(database))),
      at_once_(pages),
      due_at_(pages),
      full_at_(times_that_are_too_much * pages) {}

LogCopier::~LogCopier() = default;

Result<std::unique_ptr<LogCopier>> LogCopier::start(const std::filesystem::path& file, std::int64_t pages) {
    auto database = Database::open(file, copier_busy_milliseconds);
    if (!database) {
        return std::unexpected(database.error());
    }
    // A connection that has read nothing doesn't know yet that there is a log.
    if (const auto read = database->integer("PRAGMA schema_version"); !read) {
        return std::unexpected(read.error());
    }
    std::unique_ptr<LogCopier> copier(new LogCopier(std::move(*database), pages));
    const WithoutSignals blocked;
    copier->thread_ = std::jthread([self = copier.get()](const std::stop_token& stop) { self->work(stop); });
    return copier;
}

bool LogCopier::grown_to(std::int64_t pages) {
    std::unique_lock lock(mutex_);
    if (pages < pages_) {  // it has begun anew
        due_at_ = at_once_;
        full_at_ = times_that_are_too_much * at_once_;
        copied_ = 0;
        little_left_ = false;
    }
    pages_ = pages;
    callers_turn_ = std::exchange(little_left_, false);
    if (pages_ >= full_at_) {
        full_at_ = pages_ + at_once_;
        callers_turn_ = true;
        idle_.wait(lock, [this] { return !copying_; });
    }
    if (is_due()) {
        grown_.notify_one();
    }
    return callers_turn_;
}

// `in_log` is what the log had when the copying began. Somebody who reads an old state of the database keeps
// what is later from being copied: it is tried again when as much as before has come. Else what has come
// meanwhile is copied at once, which takes less time and leaves less, until it is little.
void LogCopier::note_copied(std::int64_t copied, std::int64_t in_log) {
    if (pages_ < in_log) {
        return;  // it has begun anew meanwhile
    }
    if (pages_ - copied <= at_once_ / part_that_is_little) {
        little_left_ = true;
        due_at_ = pages_ + at_once_;
    } else if (copied <= copied_) {
        due_at_ = pages_ + at_once_;
    }
    copied_ = copied;
}

std::int64_t LogCopier::pages() const {
    const std::scoped_lock lock(mutex_);
    return pages_;
}

std::optional<Error> LogCopier::trouble() const {
    const std::scoped_lock lock(mutex_);
    return trouble_;
}

// One that is merely busy is no trouble, and no end of it.
void LogCopier::note_failure(std::optional<Error> trouble) {
    if (trouble) {
        trouble_ = std::move(trouble);
    }
    due_at_ = pages_ + std::max<std::int64_t>(at_once_ / part_that_is_little, 1);
}

// False at the end. What has failed is tried again in a while, too, since a quiet box may commit little.
bool LogCopier::await_work(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
    const auto due = [this] { return is_due(); };
    if (!trouble_) {
        return grown_.wait(lock, stop, due);
    }
    static_cast<void>(grown_.wait_for(lock, stop, time_after_failure, due));
    return !stop.stop_requested();
}

void LogCopier::work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (await_work(lock, stop)) {
        copying_ = true;
        const bool failing = trouble_.has_value();
        lock.unlock();
        const auto log = database_->copy_log();
        const bool copied = log && !log->busy;
        if (!log && !failing) {
            log::warning("LOG_NOT_COPIED", log.error().what, {{"remedy", log.error().remedy}});
        } else if (copied && failing) {
            log::info("LOG_COPIED", "the log is copied again", {{"file", database_->file().string()}});
        }
        lock.lock();
        copying_ = false;
        idle_.notify_one();
        if (copied) {
            trouble_.reset();
            note_copied(log->copied, log->pages);
        } else {
            note_failure(log ? std::nullopt : std::optional(log.error()));
        }
    }
}

}  // namespace sekisho
