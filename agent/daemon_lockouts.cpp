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

Result<void> Daemon::remove_lockout(const std::string& who, const std::string& by) {
    auto removed = gate_.remove(who);
    if (!removed) {
        return removed;
    }
    log::info("LOCKOUT_REMOVED", "an operator lets somebody log in again", {{"who", who}, {"by", by}});
    store::Event event{.name = "LOCKOUT_REMOVED", .text = who + " may log in again", .by = by};
    if (const auto address = parse_address(who)) {
        event.key = key_or_itself(*address);
    }
    audit(std::move(event));
    return removed;
}

void Daemon::audit_attempt(std::string_view name, const std::string& text, const logins::Attempt& attempt,
                           std::string_view reporter) {
    store::Event event{.name = std::string(name),
                       .text = text,
                       .user = std::string(attempt.user),
                       .reporter = std::string(reporter),
                       .protocol = std::string(attempt.protocol)};
    if (attempt.address) {
        event.key = key_or_itself(*attempt.address);
    }
    audit(std::move(event));
}

std::vector<std::pair<std::string, std::uint64_t>> Daemon::locked() const {
    std::vector<std::pair<std::string, std::uint64_t>> list;
    for (const auto kind : {logins::Counted::address, logins::Counted::network, logins::Counted::user}) {
        list.emplace_back(to_string(kind), gate_.locked_count(kind));
    }
    return list;
}

}  // namespace sekisho
