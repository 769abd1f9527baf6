// SPDX-License-Identifier: Apache-2.0
// Sessions, page by page.
#include <algorithm>

#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

namespace {

// "bng1" means all NASes behind the client of that name.
bool is_of(const Session& session, const std::string& nas) {
    return session.nas == nas || session.nas.starts_with(nas + "/");
}

bool fits(const Session& session, const SessionFilter& filter) {
    return (filter.user.empty() || session.user == filter.user) &&
           (filter.nas.empty() || is_of(session, filter.nas)) &&
           (!filter.within || std::ranges::any_of(session.prefixes, [&filter](const Prefix& each) {
               return each.overlaps(*filter.within);
           }));
}

}  // namespace

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
        if (Session session = session_of(*each); fits(session, filter)) {
            page.sessions.push_back(std::move(session));
        }
    }
    return page;
}

}  // namespace sekisho::subscribers
