// SPDX-License-Identifier: Apache-2.0
// The operator's list of foreign dynamic addresses (IP25B), from its file to the kernel.
#include <string>

#include "agent/base/log.h"
#include "agent/daemon.h"

namespace sekisho {

// What can't be read changes nothing: the kernel keeps the list that it has, over restarts, too.
void Daemon::refresh_foreign_dynamic() {
    if (!foreign_file_) {
        return;
    }
    auto changed = foreign_file_->changed();
    if (!changed) {
        return complain_of_foreign_dynamic(changed.error());
    }
    const std::optional<std::vector<Prefix>>& prefixes = *changed;
    if (!prefixes) {
        return;
    }
    if (const auto done = dataplane_.set_foreign_dynamic(*prefixes); !done) {
        return complain_of_foreign_dynamic(done.error());
    }
    foreign_trouble_.reset();
    foreign_prefixes_ = prefixes->size();
    log::info("FOREIGN_DYNAMIC_READ", "a list of foreign dynamic addresses is in force",
              {{"file", foreign_file_->path().string()}, {"prefixes", std::to_string(foreign_prefixes_)}});
}

void Daemon::complain_of_foreign_dynamic(const Error& error) {
    foreign_trouble_ = error;
    log::error("FOREIGN_DYNAMIC_FAILED", error.what, {{"remedy", error.remedy}});
}

Result<void> Daemon::begin_foreign_dynamic() {
    if (config_.foreign_dynamic) {
        foreign_file_.emplace(config_.foreign_dynamic->file);
        refresh_foreign_dynamic();
        return {};
    }
    return dataplane_.set_foreign_dynamic({});
}

void Daemon::check_foreign_dynamic(std::vector<api::Check>& checks) const {
    if (!foreign_file_) {
        return;
    }
    checks.push_back({.name = "foreign-dynamic",
                      .ok = !foreign_trouble_,
                      .detail = foreign_trouble_ ? foreign_trouble_->what + "; what was read last is in force"
                                                 : std::to_string(foreign_prefixes_) + " prefixes from " +
                                                       foreign_file_->path().string(),
                      .remedy = foreign_trouble_ ? foreign_trouble_->remedy : ""});
}

}  // namespace sekisho
