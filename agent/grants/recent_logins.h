// SPDX-License-Identifier: Apache-2.0
// Logins of the last seconds, to know one that two report: Dovecot, and the submission server that asked it.
// Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

#include "agent/base/address.h"
#include "agent/grants/grants.h"
#include "agent/grants/rules.h"

namespace sekisho::grants {

class RecentLogins {
public:
    RecentLogins() = default;
    RecentLogins(const RecentLogins&) = delete;  // its order points into it
    RecentLogins& operator=(const RecentLogins&) = delete;
    RecentLogins(RecentLogins&&) = default;
    RecentLogins& operator=(RecentLogins&&) = default;
    ~RecentLogins() = default;

    // Whether another reporter has told of a login of this user from this address within `together`; notes
    // this one. The same reporter's are different logins, however near.
    bool seen_by_another(const LoginEvent& login, const Now& now);

    static constexpr std::chrono::seconds together{10};
    // So many are remembered; a flood makes their time shorter.
    static constexpr std::size_t most = 10'000;

private:
    using Who = std::pair<Address, std::string>;
    struct Seen {
        std::string reporter;
        BootTime when{};
    };

    void forget(const Now& now);

    struct Hash {
        std::size_t operator()(const Who& who) const;
    };

    std::unordered_map<Who, Seen, Hash> seen_;
    // Each time that one was noted; the last time is in `seen_`.
    std::deque<std::pair<BootTime, const Who*>> in_order_;
};

}  // namespace sekisho::grants
