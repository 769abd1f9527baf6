// SPDX-License-Identifier: Apache-2.0
// What sessions are asked: whose an address is, and page by page.
#include <algorithm>

#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

namespace {

// "bng1" means all NASes behind the client of that name.
bool is_of(const std::string& session_nas, const std::string& nas) {
    return session_nas == nas || session_nas.starts_with(nas + "/");
}

}  // namespace

Session Sessions::session_of(const Record& record) {
    const Labels& labels = record.labels.get();
    Session session{.number = record.number,
                    .nas = record.nas,
                    .session_id = std::string(record.session_id()),
                    .user = std::string(record.user()),
                    .calling_station = std::string(record.calling_station()),
                    .classes = labels.classes,
                    .filters = labels.filters,
                    .prefixes = record.prefixes(),
                    .held_since = record.held_since(),
                    .since = seconds_of(record.since),
                    .last_event = seconds_of(record.last_event),
                    .last_heard = seconds_of(record.last_heard),
                    .interim_interval = {}};
    if (record.interval_known == Known::yes) {
        session.interim_interval = std::chrono::minutes(record.interval);
    }
    return session;
}

std::optional<Session> Sessions::find(const Address& address) const {
    const Holder* holder = claims_.holder_of(Prefix{address, address.bits()});
    return holder == nullptr ? std::nullopt : std::optional(session_of(*static_cast<const Record*>(holder)));
}

std::optional<Session> Sessions::find(std::uint64_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? std::nullopt : std::optional(session_of(*found));
}

std::uint64_t Sessions::holder_of(const Prefix& prefix) const {
    const Holder* holder = claims_.holder_of(prefix);
    return holder == nullptr ? 0 : holder->number;
}

std::chrono::sys_seconds Sessions::held_since(const Prefix& prefix) const {
    return seconds_of(claims_.held_since(prefix));
}

bool Sessions::fits(const Record& record, const SessionFilter& filter) {
    if ((!filter.user.empty() && record.user() != filter.user) ||
        (!filter.nas.empty() && !is_of(record.nas.get(), filter.nas))) {
        return false;
    }
    const auto within = filter.within;
    return !within || std::ranges::any_of(record.prefixes(),
                                          [&within](const Prefix& each) { return each.overlaps(*within); });
}

std::vector<Session> Sessions::list(std::uint64_t from, std::size_t count) const {
    return page({.from = from}, count).sessions;
}

SessionPage Sessions::page(const SessionFilter& filter, std::size_t count) const {
    SessionPage page;
    std::size_t looked_at = 0;
    for (auto each = by_number_.lower_bound(filter.from); each != by_number_.end(); ++each) {
        if (page.sessions.size() == count || looked_at++ == most_looked_at) {
            page.next = each->number;
            break;
        }
        if (fits(*each, filter)) {
            page.sessions.push_back(session_of(*each));
        }
    }
    return page;
}

}  // namespace sekisho::subscribers
