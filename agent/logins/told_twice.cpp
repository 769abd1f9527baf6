// SPDX-License-Identifier: Apache-2.0
// Counts for both.
#include "agent/logins/told_twice.h"

#include "agent/base/user_name.h"

namespace sekisho::logins {

bool ToldTwice::is_repeated(const Attempt& attempt, bool by_submission, Moment now) {
    if (attempt.protocol != "smtp" || !attempt.address || attempt.user.empty()) {
        return false;
    }
    const auto is_old = [now](const auto& each) { return now - each.second.last > together; };
    if (told_.size() >= most) {
        std::erase_if(told_, is_old);
    }
    const Who who{*attempt.address, folded(attempt.user)};
    const auto place = told_.find(who);
    if (place == told_.end() && told_.size() >= most) {
        return false;
    }
    Told& told = place == told_.end() || is_old(*place) ? told_[who] = {} : place->second;
    told.last = now;
    const std::size_t one = by_submission ? 1 : 0;
    return ++told.by.at(one) <= told.by.at(1 - one);
}

}  // namespace sekisho::logins
