// SPDX-License-Identifier: Apache-2.0
// Sessions, page by page.
#include <algorithm>

#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

namespace {

// "bng1" means all NASes behind the client of that name.
bool is_of(const std::string& session_nas, const std::string& nas) {
    return session_nas == nas || session_nas.starts_with(nas + "/");
}

}  // namespace

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
