// SPDX-License-Identifier: Apache-2.0
// Remembers some for a while.
#include "agent/base/told_lately.h"

namespace sekisho {

bool ToldLately::is_new(const std::string& who, Moment now) {
    constexpr std::chrono::seconds tidied_every{1};
    const auto is_old = [&](const auto& each) { return now - each.second >= time_; };
    if (told_.size() >= most_ && now - tidied_ >= tidied_every) {
        std::erase_if(told_, is_old);
        tidied_ = now;
    }
    const auto place = told_.find(who);
    const bool known = place != told_.end() && !is_old(*place);
    if (known || told_.size() >= most_) {
        return false;
    }
    told_.insert_or_assign(who, now);
    return true;
}

}  // namespace sekisho
