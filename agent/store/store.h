// SPDX-License-Identifier: Apache-2.0
// What must outlive the agent and the box: grants, exemptions, sessions, in one SQLite file.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/database.h"
#include "agent/base/file_position.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"
#include "agent/subscribers/sessions.h"

namespace sekisho::store {

// Sessions as they are now, and the numbers of those that have ended.
struct SessionRows {
    std::vector<subscribers::Session> saved;
    std::vector<std::uint64_t> ended;
};

// One process, one thread. What can't be written (a full disk) is kept in memory and written as soon as it
// can.
class Store {
public:
    // Opens or creates the file (mode 0600; its directory is created with 0700 if only that is missing) and
    // brings it to today's schema. Failure::invalid for a damaged file or one of a newer version,
    // Failure::conflict for another program's; Failure::unavailable if it can't be read or written.
    [[nodiscard]] static Result<Store> open(const std::filesystem::path& file);

    // Writes what the actions say of the store, the sessions, and whatever is still owed, all or nothing.
    // Other actions are ignored. On failure it is owed; a call without news tries again, but not more often
    // than every `retry_interval`.
    [[nodiscard]] Result<void> apply(const grants::Actions& actions, SessionRows&& rows = {});

    // Notes what the actions say, to be written by the next call of apply() or flush().
    void note(const grants::Actions& actions);

    // Writes what is owed now, whenever it was last tried.
    [[nodiscard]] Result<void> flush();

    // Whether the last write failed.
    [[nodiscard]] bool failing() const { return failing_; }

    // How many keys, prefixes and sessions are owed to the disk.
    [[nodiscard]] std::size_t owed() const {
        return owed_grants_.size() + owed_exemptions_.size() + owed_cool_downs_.size() +
               owed_quarantines_.size() + owed_sessions_.size();
    }

    // Writes down what the clocks show: see grants::Stored::seen.
    [[nodiscard]] Result<void> save_clocks(const grants::Now& now);

    // Writes down up to where a log was read; what that led to is written by apply(), before.
    [[nodiscard]] Result<void> save_position(const std::filesystem::path& log, const FilePosition& position);
    // Nothing if it was never read.
    [[nodiscard]] Result<std::optional<FilePosition>> position_of(const std::filesystem::path& log) const;
    // The same of systemd's journal, by who reads it.
    [[nodiscard]] Result<void> save_cursor(const std::string& reporter, const std::string& cursor);
    [[nodiscard]] Result<std::optional<std::string>> cursor_of(const std::string& reporter) const;

    // What the file holds, in no particular order. A row that can't be understood is left out, with a log
    // line (STORE_ROW_LEFT_OUT): one slip in the file must not keep the agent from starting.
    [[nodiscard]] Result<grants::Stored> load() const;
    // The grants, one after the other, likewise.
    [[nodiscard]] Result<void> each_grant(const std::function<void(const grants::Grant&)>& take) const;

    // Why the first of the rows that were left out was.
    [[nodiscard]] const std::optional<Error>& left_out() const { return left_out_; }
    // Why what is committed can't be copied out of the write-ahead log, which grows meanwhile.
    [[nodiscard]] std::optional<Error> copy_trouble() const { return database_.copy_trouble(); }

    // The sessions, in the order of their numbers. How many rows were left out that can't be understood: what
    // a stranger once sent must not keep the agent from starting.
    [[nodiscard]] Result<std::size_t> each_session(
        const std::function<void(const subscribers::Session&)>& take) const;

    static constexpr std::chrono::seconds retry_interval{10};

private:
    // What became of a key or prefix last: its value, or nothing if it is to be forgotten. Of a grant its
    // generation is a part of the key.
    struct OwedGrant {
        std::shared_ptr<const grants::Grant> grant;
        bool fresh = false;  // the file has nothing of it
    };
    using OwedGrants = std::map<std::pair<std::uint32_t, Prefix>, OwedGrant>;
    using OwedExemptions = std::map<Prefix, std::optional<grants::Exemption>>;
    using OwedQuarantines = std::map<Prefix, std::optional<grants::Quarantine>>;
    using OwedCoolDowns = std::map<Prefix, std::optional<grants::CoolDown>>;
    struct Statements {
        Statement save_boot;
        Statement find_boot;
        Statement save_grant;
        Statement forget_grant;
        Statement save_exemption;
        Statement forget_exemption;
        Statement save_cool_down;
        Statement forget_cool_down;
        Statement save_quarantine;
        Statement forget_quarantine;
        Statement save_session;
        Statement forget_session;
        Statement save_clocks;
        Statement save_position;
        Statement save_cursor;
    };

    Store(Database database, Statements statements);

    bool owe(const grants::Actions& actions);
    void owe(const grants::SaveGrant& saved);
    void owe(const grants::ForgetGrant& forgotten);
    bool owe(SessionRows&& rows);
    [[nodiscard]] Result<void> write();
    [[nodiscard]] Result<void> write_owed();
    // The number of a boot's id in the file, which it gets if it has none.
    [[nodiscard]] Result<std::int64_t> number_of_boot(const std::string& id);
    [[nodiscard]] Result<void> write_grants();
    [[nodiscard]] Result<void> write_exemptions();
    [[nodiscard]] Result<void> write_cool_downs();
    [[nodiscard]] Result<void> write_quarantines();
    [[nodiscard]] Result<void> write_sessions();
    [[nodiscard]] Result<std::map<std::int64_t, std::string>> boots() const;
    [[nodiscard]] Result<std::vector<grants::Exemption>> exemptions() const;
    [[nodiscard]] Result<std::vector<grants::CoolDown>> cool_downs() const;
    [[nodiscard]] Result<std::vector<grants::Quarantine>> quarantines() const;
    [[nodiscard]] Result<std::optional<grants::Now>> clocks() const;
    [[nodiscard]] Result<void> make_durable(bool durable);
    // Calls `take` with each row of a table whose first column is a prefix.
    template <class Take>
    [[nodiscard]] Result<void> each_row(std::string_view table, std::string_view sql, Take take) const;
    // All of them.
    template <class Row, class Read>
    [[nodiscard]] Result<std::vector<Row>> rows(std::string_view table, std::string_view sql,
                                                Read read) const;
    void leave_out(std::string_view table, const std::string& key, const Error& why) const;

    Database database_;
    Statements statements_;
    OwedGrants owed_grants_;
    OwedExemptions owed_exemptions_;
    OwedCoolDowns owed_cool_downs_;
    OwedQuarantines owed_quarantines_;
    std::map<std::uint64_t, std::optional<subscribers::Session>> owed_sessions_;
    mutable std::optional<Error> left_out_;
    std::chrono::steady_clock::time_point retry_at_;
    bool failing_ = false;
    bool noted_ = false;   // something since the last write
    bool durable_ = true;  // PRAGMA synchronous is FULL
};

}  // namespace sekisho::store
