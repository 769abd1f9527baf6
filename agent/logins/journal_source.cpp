// SPDX-License-Identifier: Apache-2.0
// By libsystemd, sd-journal(3).
#include "agent/logins/journal_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "agent/base/log.h"

namespace sekisho::logins {

namespace {

// So many are read at once, that a login by another way doesn't wait for a long journal.
constexpr int entries_at_once = 512;
constexpr std::chrono::milliseconds journal_tick{500};

Error error_of(const std::string& what, int code) {
    return {.kind = Failure::unavailable,
            .what = what + ": " + std::strerror(-code),
            .remedy = "see `journalctl --verify`; the agent must be able to read the journal's files"};
}

std::optional<std::uint32_t> number_of(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<JournalSource::Journal> JournalSource::open(const JournalConfig& config) {
    sd_journal* opened = nullptr;
    const std::string directory = config.directory.string();
    const int done = directory.empty() ? sd_journal_open(&opened, SD_JOURNAL_LOCAL_ONLY)
                                       : sd_journal_open_directory(&opened, directory.c_str(), 0);
    Journal journal(opened);
    if (done < 0) {
        return std::unexpected(
            error_of("can't open the journal" + (directory.empty() ? "" : " in " + directory), done));
    }
    // Matches of one field are alternatives.
    for (const std::string& unit : config.units) {
        const std::string match = "_SYSTEMD_UNIT=" + unit;
        if (const int added = sd_journal_add_match(journal.get(), match.data(), match.size()); added < 0) {
            return std::unexpected(error_of("can't look for messages of " + unit, added));
        }
    }
    sd_journal_set_data_threshold(journal.get(), longest_line + sizeof("SYSLOG_IDENTIFIER="));
    return journal;
}

Result<std::unique_ptr<JournalSource>> JournalSource::follow(const boost::asio::any_io_executor& executor,
                                                             const JournalConfig& config,
                                                             const std::optional<std::string>& from,
                                                             OnLogin on_login, Remember remember) {
    auto patterns = patterns_of(config, "login.journal");
    if (!patterns) {
        return std::unexpected(patterns.error());
    }
    auto journal = open(config);
    if (!journal) {
        return std::unexpected(journal.error());
    }
    std::unique_ptr<JournalSource> source(new JournalSource(executor, config, std::move(*journal),
                                                            std::move(*patterns), std::move(on_login),
                                                            std::move(remember)));
    if (auto found = source->seek(from); !found) {
        return std::unexpected(found.error());
    }
    source->await_change();
    source->await_tick();
    source->read_some();
    return source;
}

JournalSource::JournalSource(const boost::asio::any_io_executor& executor, const JournalConfig& config,
                             Journal journal, LogPatterns patterns, OnLogin on_login, Remember remember)
    : config_(config),
      journal_(std::move(journal)),
      logins_(config, TimeOf::stamp, std::move(patterns), std::move(on_login)),
      remember_(std::move(remember)),
      changes_(executor),
      tick_(executor) {}

JournalSource::~JournalSource() {
    *alive_ = false;
}

// Entries are read by going to the next one, so the place is the one before.
Result<void> JournalSource::seek(const std::optional<std::string>& from) {
    if (from) {
        remembered_ = *from;
        cursor_ = *from;
        const char* const place = from->c_str();
        if (sd_journal_seek_cursor(journal_.get(), place) >= 0) {
            const bool there =
                sd_journal_next(journal_.get()) > 0 && sd_journal_test_cursor(journal_.get(), place) > 0;
            // Its entry may be gone, or be of no unit that is named now: then on from what comes next. What
            // is too old opens nothing.
            if (there || sd_journal_seek_cursor(journal_.get(), place) >= 0) {
                return {};
            }
        }
    }
    // Also for the next start, if nothing is read until then.
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    std::array<char, 17> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                   std::chrono::duration_cast<std::chrono::microseconds>(now).count(), 16);
    cursor_ = "t=" + std::string(digits.data(), end.ptr);
    int done = sd_journal_seek_tail(journal_.get());
    if (done >= 0) {
        done = sd_journal_previous(journal_.get());
    }
    if (done == 0) {  // there is nothing yet, and behind the tail nothing would ever come
        done = sd_journal_seek_head(journal_.get());
    }
    if (done < 0) {
        return std::unexpected(error_of("can't go to the end of the journal", done));
    }
    return {};
}

// Asio closes what it waits for, and the journal owns its descriptor.
void JournalSource::await_change() {
    if (!changes_.is_open()) {
        const int watched = sd_journal_get_fd(journal_.get());
        const int copy = watched < 0 ? -1 : ::fcntl(watched, F_DUPFD_CLOEXEC, 0);
        boost::system::error_code error;
        if (copy < 0 || changes_.assign(copy, error)) {
            if (copy >= 0) {
                ::close(copy);
            }
            return;  // the tick reads, and tries again: without it no new file is noticed
        }
    }
    changes_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [this, alive = alive_](const boost::system::error_code& error) {
                            if (!error && *alive) {
                                read_some();
                                await_change();
                            }
                        });
}

void JournalSource::await_tick() {
    tick_.expires_after(journal_tick);
    tick_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
        if (!error && *alive) {
            if (!changes_.is_open()) {
                await_change();
            }
            read_some();
            save_position();
            await_tick();
        }
    });
}

void JournalSource::read_some() {
    if (reading_) {
        return;  // it comes in its turn
    }
    // Notices files that have come and gone.
    int done = sd_journal_process(journal_.get());
    const Counts before = counts();
    int entries = 0;
    while (done >= 0 && entries < entries_at_once) {
        done = sd_journal_next(journal_.get());
        if (done <= 0) {
            break;
        }
        take();
        entries++;
    }
    if (done < 0 && !trouble_) {
        trouble_ = error_of("can't read on in the journal", done);
        log::warning("JOURNAL_UNREADABLE", trouble_->what,
                     {{"reporter", config_.name}, {"remedy", trouble_->remedy}});
    } else if (done >= 0) {
        trouble_.reset();
    }
    // As with files: what lines cost that are no logins must not be a write to the disk each.
    if (counts().granted != before.granted || counts().refused != before.refused) {
        save_position();
    }
    if (entries == entries_at_once) {
        reading_ = true;
        boost::asio::post(tick_.get_executor(), [this, alive = alive_] {
            if (*alive) {
                reading_ = false;
                read_some();
            }
        });
    }
}

// The text behind "NAME=" of the entry at hand; empty if it has none.
std::string JournalSource::field(const char* name) const {
    const void* data = nullptr;
    std::size_t size = 0;
    if (sd_journal_get_data(journal_.get(), name, &data, &size) < 0) {
        return {};
    }
    const std::string_view whole(static_cast<const char*>(data), size);
    return std::string(whole.substr(std::min(whole.size(), std::strlen(name) + 1)));
}

void JournalSource::take() {
    char* cursor = nullptr;
    if (sd_journal_get_cursor(journal_.get(), &cursor) >= 0) {
        cursor_ = cursor;
        std::free(cursor);
    }
    std::uint64_t written = 0;                               // microseconds since 1970, by journald
    constexpr std::uint64_t latest = 7'000'000'000'000'000;  // our nanoseconds end in 2262
    if (sd_journal_get_realtime_usec(journal_.get(), &written) < 0 || written > latest) {
        return;
    }
    const std::string named = field("SYSLOG_IDENTIFIER");
    const std::string program = named.empty() ? field("_COMM") : named;
    const std::string pid = field("SYSLOG_PID");
    const std::string message = field("MESSAGE");
    const std::string boot = field("_BOOT_ID");  // process ids mean something within one
    LogLine line = line_of(program, number_of(pid.empty() ? field("_PID") : pid), message);
    line.host = boot;
    logins_.take(line, grants::WallTime(std::chrono::microseconds(written)));
}

void JournalSource::save_position() {
    if (!cursor_.empty() && cursor_ != remembered_) {
        remember_(config_.name, cursor_);
        remembered_ = cursor_;
    }
}

}  // namespace sekisho::logins
