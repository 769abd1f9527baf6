// SPDX-License-Identifier: Apache-2.0
// Remembers for a moment.
#include "agent/grants/recent_logins.h"

#include <boost/container_hash/hash.hpp>

#include "agent/base/user_name.h"

namespace sekisho::grants {

std::size_t RecentLogins::Hash::operator()(const Who& who) const {
    std::size_t seed = boost::hash_range(who.first.bytes.begin(), who.first.bytes.end());
    boost::hash_combine(seed, who.second);
    return seed;
}

void RecentLogins::forget(const Now& now) {
    while (!in_order_.empty() &&
           (in_order_.size() > most || in_order_.front().first + together < now.boottime)) {
        const auto found = seen_.find(*in_order_.front().second);
        if (found != seen_.end() && found->second.when == in_order_.front().first) {
            seen_.erase(found);
        }
        in_order_.pop_front();
    }
}

bool RecentLogins::seen_by_another(const LoginEvent& login, const Now& now) {
    forget(now);
    const auto [place, fresh] = seen_.try_emplace(Who{login.address, folded(login.user)},
                                                  Seen{.reporter = login.reporter, .when = now.boottime});
    if (!fresh && place->second.reporter != login.reporter) {
        return true;
    }
    if (fresh || place->second.when != now.boottime) {  // each moment of one once
        place->second.when = now.boottime;
        in_order_.emplace_back(now.boottime, &place->first);
    }
    return false;
}

}  // namespace sekisho::grants
