// SPDX-License-Identifier: Apache-2.0
// What should stand in nftables, and the way there.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "agent/base/result.h"
#include "agent/guard/boot_file.h"
#include "agent/guard/nft.h"
#include "agent/guard/ruleset.h"

namespace sekisho::guard {

// Keeps both tables as they should be. One thread. When it goes, all stays.
class Guard {
public:
    using Wanted = std::function<State()>;

    // `wanted` says what should be there, and is asked each time when something is to be done.
    Guard(const boost::asio::any_io_executor& executor, Plan plan, BootFiles files, Wanted wanted);

    // Writes the files and loads everything in one transaction; takes tables and files away where the plan
    // closes nothing. Waits for it. What fails is logged, and tried again by look().
    void begin();
    // Something has changed: done behind what the loop does now, and all that changes meanwhile at once.
    void changed();
    // To be called every few seconds: puts back what somebody has taken away, tries again what has failed.
    void look();

    [[nodiscard]] bool closes() const { return plan_.closes(); }
    // Whether it stands in the kernel, as far as is known.
    [[nodiscard]] bool in_place() const { return applied_.has_value(); }
    // Whether an interface that is closed by its name is known to be judged.
    [[nodiscard]] bool lets_in(unsigned index) const { return applied_ && applied_->judged.contains(index); }
    // What an operator should know: why it isn't in place, or lacks its half for bridges, or the files.
    [[nodiscard]] std::optional<Error> trouble() const;
    [[nodiscard]] std::uint64_t lost() const { return lost_; }  // how often it was taken away
    // Packets, when it was looked at last.
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

private:
    using Then = void (Guard::*)(const Result<std::string>&);

    void write_files(const std::set<std::string>& stacked);
    [[nodiscard]] std::string whole(const State& state, bool bridges) const;
    void step();
    void run(const Words& words, const std::string& input, Then then);
    void load();
    void list(Table table);
    void loaded(const Result<std::string>& result);
    void loaded_half(const Result<std::string>& result);
    void updated(const Result<std::string>& result);
    void listed(const Result<std::string>& result);
    void note_loaded(const std::optional<Error>& without_bridges = {});
    void note_failed(const Error& error);
    void note_lost();

    Plan plan_;
    BootFiles files_;
    Wanted wanted_;
    boost::asio::any_io_executor executor_;
    Nft nft_;
    std::optional<State> applied_;  // what the kernel has; nothing: all is to be loaded
    State sent_;                    // what the present run brings there
    bool bridges_ = true;           // the kernel has that family
    Error with_bridges_;            // why it didn't load as a whole
    bool busy_ = false;             // nft runs
    bool asked_ = false;            // a step is due
    bool look_due_ = false;
    bool resting_ = false;  // the kernel said no: not again before the next look
    Table looked_at_ = Table::inet;
    std::uint64_t dropped_now_ = 0;  // of the tables that have been looked at this time
    std::uint64_t dropped_ = 0;
    std::uint64_t lost_ = 0;
    std::optional<Error> kernel_trouble_;
    std::optional<Error> bridge_trouble_;
    std::optional<Error> file_trouble_;
    std::optional<std::set<std::string>> written_;  // the names in the files
};

// Takes tables and files away: nothing is closed then. Waits for it.
[[nodiscard]] Result<void> remove_guard(const BootFiles& files);

}  // namespace sekisho::guard
