// SPDX-License-Identifier: Apache-2.0
// From lines of a log to logins.
#include "agent/logins/log_source.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "agent/base/log.h"

namespace sekisho::logins {

namespace {

// So much is read at once, that a login by another way doesn't wait for a long log.
constexpr std::size_t octets_at_once = std::size_t{256} << 10;
constexpr std::chrono::milliseconds log_tick{500};

}  // namespace

Result<std::unique_ptr<LogSource>> LogSource::follow(const boost::asio::any_io_executor& executor,
                                                     const LogConfig& config,
                                                     const std::optional<FilePosition>& from,
                                                     OnLogin on_login, Remember remember) {
    auto patterns = patterns_of(config, "login.log");
    if (!patterns) {
        return std::unexpected(patterns.error());
    }
    std::unique_ptr<LogSource> source(new LogSource(executor, config, from, std::move(*patterns),
                                                    std::move(on_login), std::move(remember)));
    source->watch_folder();
    source->await_tick();
    source->read_some();
    return source;
}

LogSource::LogSource(const boost::asio::any_io_executor& executor, const LogConfig& config,
                     const std::optional<FilePosition>& from, LogPatterns patterns, OnLogin on_login,
                     Remember remember)
    : config_(config),
      file_(config.file, from),
      logins_(config, TimeOf::stamp, std::move(patterns), std::move(on_login)),
      remember_(std::move(remember)),
      remembered_(from),
      changes_(executor),
      tick_(executor) {}

LogSource::~LogSource() {
    *alive_ = false;
}

// The folder, since the file may be replaced by another one. Without it the tick alone looks.
void LogSource::watch_folder() {
    const int watcher = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    boost::system::error_code error;
    if (watcher < 0 || changes_.assign(watcher, error)) {
        return;
    }
    if (::inotify_add_watch(watcher, config_.file.parent_path().c_str(),
                            IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0) {
        await_change();
    }
}

void LogSource::await_change() {
    changes_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code& error) {
                            if (error) {
                                return;
                            }
                            // What has changed is seen by looking at the file.
                            std::array<char, 4096> events{};
                            while (::read(changes_.native_handle(), events.data(), events.size()) > 0) {
                            }
                            read_some();
                            await_change();
                        });
}

void LogSource::await_tick() {
    tick_.expires_after(log_tick);
    tick_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            read_some();
            save_position();
            await_tick();
        }
    });
}

void LogSource::read_some() {
    if (reading_) {
        return;  // it comes in its turn
    }
    const Counts before = counts();
    const auto read = file_.read_on(octets_at_once, std::chrono::steady_clock::now(),
                                    [this](std::string_view line) { logins_.take(line); });
    note_trouble(read);
    // Lines that are no logins may be read again: what they cost must not be a write to the disk each.
    if (counts().granted != before.granted || counts().refused != before.refused) {
        save_position();
    }
    if (read && *read) {
        reading_ = true;
        boost::asio::post(tick_.get_executor(), [this, alive = alive_] {
            if (*alive) {
                reading_ = false;
                read_some();
            }
        });
    }
}

void LogSource::save_position() {
    if (const auto position = file_.position(); position && position != remembered_) {
        remember_(config_.file, *position);
        remembered_ = position;
    }
}

void LogSource::note_trouble(const Result<bool>& read) {
    if (read) {
        if (std::exchange(trouble_, std::nullopt)) {
            log::info("LOG_READ_AGAIN", "the file can be read",
                      {{"reporter", config_.name}, {"file", config_.file.string()}});
        }
        return;
    }
    if (!trouble_ || trouble_->what != read.error().what) {
        log::warning("LOG_UNREADABLE", read.error().what,
                     {{"reporter", config_.name}, {"remedy", read.error().remedy}});
    }
    trouble_ = read.error();
}

}  // namespace sekisho::logins
