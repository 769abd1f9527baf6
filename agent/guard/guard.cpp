// SPDX-License-Identifier: Apache-2.0
// One run of nft at a time: whole tables where the kernel's state isn't known, differences where it is.
#include "agent/guard/guard.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "agent/base/log.h"

namespace sekisho::guard {

namespace {

const Words from_input = {"-f", "-"};

// Whether it is worth to try without them.
bool may_be_for_bridges(const Error& why) {
    return why.kind != Failure::unavailable;
}

}  // namespace

Guard::Guard(const boost::asio::any_io_executor& executor, Plan plan, BootFiles files, Wanted wanted)
    : plan_(std::move(plan)),
      files_(std::move(files)),
      wanted_(std::move(wanted)),
      executor_(executor),
      nft_(executor) {}

void Guard::begin() {
    if (!closes()) {
        if (const auto removed = remove_guard(files_); !removed) {
            log::error("GUARD_FAILED", removed.error().what, {{"remedy", removed.error().remedy}});
        }
        return;
    }
    sent_ = wanted_();
    write_files(sent_.stacked);
    auto result = run_nft(from_input, whole(sent_, true));
    if (result) {
        note_loaded();
        return;
    }
    if (!may_be_for_bridges(result.error())) {
        note_failed(result.error());
        return;
    }
    const Error with_bridges = result.error();
    result = run_nft(from_input, whole(sent_, false));
    if (result) {
        note_loaded(with_bridges);
    } else {
        note_failed(result.error());
    }
}

void Guard::changed() {
    if (!closes() || std::exchange(asked_, true)) {
        return;
    }
    boost::asio::post(executor_, [this] {
        asked_ = false;
        step();
    });
}

void Guard::look() {
    look_due_ = true;
    resting_ = false;
    changed();
}

std::optional<Error> Guard::trouble() const {
    if (kernel_trouble_) {
        return kernel_trouble_;
    }
    return bridge_trouble_ ? bridge_trouble_ : file_trouble_;
}

void Guard::write_files(const std::set<std::string>& stacked) {
    if (written_ == stacked) {
        return;
    }
    auto written = write_boot_file(files_.inet, boot_ruleset(Table::inet, plan_, stacked));
    if (written) {
        written = write_boot_file(files_.bridge, boot_ruleset(Table::bridge, plan_, stacked));
    }
    if (written) {
        written_ = stacked;
        file_trouble_.reset();
        return;
    }
    if (!file_trouble_) {  // tried again with each look: said once
        log::error("GUARD_NOT_KEPT", written.error().what, {{"remedy", written.error().remedy}});
    }
    file_trouble_ = written.error();
}

std::string Guard::whole(const State& state, bool bridges) const {
    return ruleset(Table::inet, plan_, state) +
           (bridges ? ruleset(Table::bridge, plan_, state) : std::string());
}

// The next thing that is to be done, if anything is and nothing is being done.
void Guard::step() {
    if (busy_ || resting_) {
        return;
    }
    sent_ = wanted_();
    write_files(sent_.stacked);
    if (!applied_) {
        load();
    } else if (*applied_ != sent_) {
        run(from_input,
            changes(Table::inet, *applied_, sent_) +
                (bridges_ ? changes(Table::bridge, *applied_, sent_) : std::string()),
            &Guard::updated);
    } else if (std::exchange(look_due_, false)) {
        dropped_now_ = 0;
        list(Table::inet);
    }
}

void Guard::run(const Words& words, const std::string& input, Then then) {
    busy_ = true;
    nft_.run(words, input, [this, then](const Result<std::string>& result) {
        busy_ = false;
        (this->*then)(result);
        step();
    });
}

void Guard::load() {
    run(from_input, whole(sent_, true), &Guard::loaded);
}

void Guard::list(Table table) {
    looked_at_ = table;
    run(listing_of(table), {}, &Guard::listed);
}

void Guard::loaded(const Result<std::string>& result) {
    if (result) {
        note_loaded();
        return;
    }
    if (!may_be_for_bridges(result.error())) {
        note_failed(result.error());
        return;
    }
    with_bridges_ = result.error();
    run(from_input, whole(sent_, false), &Guard::loaded_half);
}

void Guard::loaded_half(const Result<std::string>& result) {
    if (result) {
        note_loaded(with_bridges_);
    } else {
        note_failed(result.error());
    }
}

// Somebody has changed the tables: they are made anew.
void Guard::updated(const Result<std::string>& result) {
    if (result) {
        applied_ = sent_;
    } else {
        note_lost();
    }
}

void Guard::listed(const Result<std::string>& result) {
    if (!result && result.error().kind != Failure::not_found) {
        note_failed(result.error());
        return;
    }
    const auto listing = result ? read_listing(*result) : std::nullopt;
    if (!listing || !applied_ || !is_whole(*listing, looked_at_, plan_, *applied_)) {
        note_lost();
        return;
    }
    dropped_now_ += listing->dropped;
    if (looked_at_ == Table::inet && bridges_) {
        list(Table::bridge);
        return;
    }
    dropped_ = dropped_now_;
}

// `without_bridges`: why only the half of it was.
void Guard::note_loaded(const std::optional<Error>& without_bridges) {
    applied_ = sent_;
    bridges_ = !without_bridges;
    kernel_trouble_.reset();
    bridge_trouble_.reset();
    log::info("GUARD_LOADED",
              "port 25 is closed on interfaces that the configuration names so, until they are judged",
              {{"judged", sent_.judged.size()}, {"bridges", bridges_}});
    if (without_bridges) {
        bridge_trouble_ = {.kind = without_bridges->kind,
                           .what = "bridges' ports are not closed: " + without_bridges->what,
                           .remedy = "if one is to be closed, boot a kernel with nftables' bridge family"};
        log::warning("GUARD_WITHOUT_BRIDGES", bridge_trouble_->what, {{"remedy", bridge_trouble_->remedy}});
    }
}

void Guard::note_failed(const Error& error) {
    resting_ = true;
    applied_.reset();
    if (!kernel_trouble_ || kernel_trouble_->what != error.what) {  // tried again and again: said once
        log::error("GUARD_FAILED", error.what, {{"remedy", error.remedy}});
    }
    kernel_trouble_ = error;
    bridge_trouble_.reset();
}

void Guard::note_lost() {
    lost_++;
    applied_.reset();
    log::warning("GUARD_LOST",
                 "somebody has taken away nftables' table `sekisho` or some of it; it is loaded again");
}

Result<void> remove_guard(const BootFiles& files) {
    const bool known = files.exist();
    const auto tables = run_nft({"list", "tables"});
    if (!tables && known) {
        return std::unexpected(tables.error());
    }
    bool stood = false;
    for (const Table table : {Table::inet, Table::bridge}) {
        if (!tables || !is_listed(table, *tables)) {
            continue;
        }
        if (const auto removed = run_nft(removal_of(table)); !removed) {
            return std::unexpected(removed.error());
        }
        stood = true;
    }
    if (stood) {
        log::info("GUARD_REMOVED", "no interface is closed any more until it is judged");
    }
    return remove_boot_files(files);
}

}  // namespace sekisho::guard
