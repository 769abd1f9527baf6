// SPDX-License-Identifier: Apache-2.0
// Oldest first.
#include "smtpd/fresh_mail.h"

#include <iterator>
#include <utility>

namespace sekisho {

// Whoever was held, removed or stopped may be among them. What has been put in since is taken out of the
// spool as well; that is rare.
void FreshMail::forget_if_meddled() {
    const std::uint64_t now = *interventions_;
    if (std::exchange(seen_, now) != now) {
        by_id_.clear();
        messages_.clear();
        octets_ = 0;
    }
}

FreshMail::Message FreshMail::remove(Place place) {
    by_id_.erase((*place)->envelope.id);
    Message message = std::move(*place);
    messages_.erase(place);
    octets_ -= message->octets.size();
    return message;
}

void FreshMail::put(Message message) {
    if (message->octets.empty()) {
        return;
    }
    const std::scoped_lock held(mutex_);
    forget_if_meddled();
    // A commit that went wrong may have left one behind.
    if (const auto same = by_id_.find(message->envelope.id); same != by_id_.end()) {
        remove(same->second);
    }
    octets_ += message->octets.size();
    messages_.push_back(std::move(message));
    by_id_.emplace(messages_.back()->envelope.id, std::prev(messages_.end()));
    while (octets_ > most_octets_) {
        remove(messages_.begin());
    }
}

FreshMail::Message FreshMail::take(std::string_view id) {
    const std::scoped_lock held(mutex_);
    forget_if_meddled();
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : remove(found->second);
}

}  // namespace sekisho
