// SPDX-License-Identifier: Apache-2.0
// Who is locked for failed logins.
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/log.h"
#include "agent/daemon.h"

namespace sekisho {

std::vector<api::LockoutStatus> Daemon::lockouts() const {
    const auto moment = std::chrono::steady_clock::now();
    const auto wall = std::chrono::system_clock::now();
    std::vector<api::LockoutStatus> list;
    for (const logins::Lockout& each : gate_.lockouts()) {
        list.push_back({.kind = std::string(to_string(each.kind)),
                        .who = each.lock.who,
                        .tries = each.lock.tries,
                        .held = each.lock.held,
                        .since = wall + (each.lock.since - moment),
                        .until = wall + (each.lock.until - moment),
                        .left = std::chrono::ceil<std::chrono::seconds>(each.lock.until - moment)});
    }
    return list;
}

Result<void> Daemon::remove_lockout(const std::string& who) {
    auto removed = gate_.remove(who);
    if (removed) {
        log::info("LOCKOUT_REMOVED", "an operator lets somebody log in again", {{"who", who}});
    }
    return removed;
}

std::vector<std::pair<std::string, std::uint64_t>> Daemon::locked() const {
    std::vector<std::pair<std::string, std::uint64_t>> list;
    for (const auto kind : {logins::Counted::address, logins::Counted::network, logins::Counted::user}) {
        list.emplace_back(to_string(kind), gate_.locked_count(kind));
    }
    return list;
}

}  // namespace sekisho
