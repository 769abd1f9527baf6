// SPDX-License-Identifier: Apache-2.0
// systemd's journal as a source of logins.
#pragma once

#include <systemd/sd-journal.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/line_logins.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// Reads the messages of some units as they are written. Not thread-safe.
class JournalSource {
public:
    // Called behind logins, and else twice a second, to remember up to where the journal was read.
    using Remember = std::function<void(const std::string& reporter, const std::string& cursor)>;

    // From behind the cursor of before, or where it stood if its entry is gone; without one, from the end of
    // what is there now: who logged in before is not let in again. `config` must outlive the object.
    // Failure::invalid for a pattern that is none, Failure::unavailable if there is no journal to read.
    [[nodiscard]] static Result<std::unique_ptr<JournalSource>> follow(
        const boost::asio::any_io_executor& executor, const JournalConfig& config,
        const std::optional<std::string>& from, OnLogin on_login, Remember remember);

    JournalSource(const JournalSource&) = delete;
    JournalSource& operator=(const JournalSource&) = delete;
    ~JournalSource();

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] Counts counts() const { return logins_.counts(); }
    // Messages that were read, since the start.
    [[nodiscard]] std::uint64_t lines() const { return logins_.lines(); }
    // Remembers up to where it was read; to be called before the end.
    void save_position();
    // Why the journal can't be read on; nothing if it can.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

private:
    struct Close {
        void operator()(sd_journal* journal) const { sd_journal_close(journal); }
    };
    using Journal = std::unique_ptr<sd_journal, Close>;

    [[nodiscard]] static Result<Journal> open(const JournalConfig& config);

    JournalSource(const boost::asio::any_io_executor& executor, const JournalConfig& config, Journal journal,
                  LogPatterns patterns, OnLogin on_login, Remember remember);

    // Goes to where reading begins.
    [[nodiscard]] Result<void> seek(const std::optional<std::string>& from);
    void await_change();
    void await_tick();
    void read_some();
    void take();
    [[nodiscard]] std::string field(const char* name) const;

    const JournalConfig& config_;
    Journal journal_;
    LineLogins logins_;
    Remember remember_;
    std::string cursor_;  // of the last entry that was read
    std::string remembered_;
    std::optional<Error> trouble_;
    bool reading_ = false;  // the rest of what has come is read next
    boost::asio::posix::stream_descriptor changes_;
    boost::asio::steady_timer tick_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sekisho::logins
