// SPDX-License-Identifier: Apache-2.0
// A log file as a source of logins.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/followed_file.h"
#include "agent/logins/line_logins.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// Reads one file as it grows: at once where the file system tells of changes (inotify), else twice a second.
class LogSource {
public:
    // Called behind logins, and else twice a second, to remember up to where the file was read.
    using Remember = std::function<void(const std::filesystem::path& file, const FilePosition& position)>;

    // `config` must outlive the object. Failure::invalid for a pattern that is none. A file that isn't there
    // is waited for.
    [[nodiscard]] static Result<std::unique_ptr<LogSource>> follow(
        const boost::asio::any_io_executor& executor, const LogConfig& config,
        const std::optional<FilePosition>& from, OnLogin on_login, Remember remember);

    LogSource(const LogSource&) = delete;
    LogSource& operator=(const LogSource&) = delete;
    ~LogSource();

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] Counts counts() const { return logins_.counts(); }
    // Remembers up to where it was read; to be called before the end.
    void save_position();
    // Lines that were read, since the start.
    [[nodiscard]] std::uint64_t lines() const { return logins_.lines(); }
    // Why the file can't be read; nothing if it can.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

private:
    LogSource(const boost::asio::any_io_executor& executor, const LogConfig& config,
              const std::optional<FilePosition>& from, LogPatterns patterns, OnLogin on_login,
              Remember remember);

    void watch_folder();
    void await_change();
    void await_tick();
    void read_some();
    void note_trouble(const Result<bool>& read);

    const LogConfig& config_;
    FollowedFile file_;
    LineLogins logins_;
    Remember remember_;
    std::optional<Error> trouble_;
    std::optional<FilePosition> remembered_;
    bool reading_ = false;  // the rest of what has come is read next
    boost::asio::posix::stream_descriptor changes_;
    boost::asio::steady_timer tick_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sekisho::logins
