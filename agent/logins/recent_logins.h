// SPDX-License-Identifier: Apache-2.0
// Logins that were told a short while ago: the same once more is a repetition. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <set>

#include "agent/logins/webhook_request.h"

namespace sekisho::logins {

class RecentLogins {
public:
    // So many are remembered, the youngest. What is repeated is mostly the last delivery.
    explicit RecentLogins(std::size_t most = 2 * most_webhook_events) : most_(most) {}

    // Remembers it. False if it is there already.
    [[nodiscard]] bool is_new(const WebhookLogin& login) {
        const auto [place, fresh] = logins_.insert(login);
        if (!fresh) {
            return false;
        }
        order_.push_back(place);
        if (order_.size() > most_) {
            logins_.erase(order_.front());
            order_.pop_front();
        }
        return true;
    }

private:
    std::size_t most_;
    std::set<WebhookLogin> logins_;
    std::deque<std::set<WebhookLogin>::const_iterator> order_;
};

}  // namespace sekisho::logins
