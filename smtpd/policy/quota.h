// SPDX-License-Identifier: Apache-2.0
// How many recipients a user may send to: the limits of [[submission.quota]]. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config_submission.h"

namespace sekisho::policy {

// What a user has sent, in the last hour or the last 24.
struct SentCounts {
    // Recipients, counted as often as they were sent to; new ones are those whom the user had not sent to
    // before.
    std::uint64_t hour = 0;
    std::uint64_t day = 0;
    std::uint64_t new_hour = 0;
    std::uint64_t new_day = 0;
    // Signs of a stolen account: from how many places, and to how many who aren't there.
    std::uint64_t addresses_day = 0;
    std::uint64_t networks_day = 0;
    std::uint64_t failed_day = 0;
};

// What one more message adds.
struct SentMore {
    std::uint64_t recipients = 0;
    std::uint64_t fresh = 0;      // of them
    std::uint64_t addresses = 0;  // 1 where the user hasn't sent from this one today
    std::uint64_t networks = 0;
    std::uint64_t failed = 1;  // nobody knows yet: who has reached this limit has no more
};

// One limit of a quota and how much of it is used.
struct QuotaUse {
    std::string_view name;  // the key in the configuration: "new_day"
    std::uint64_t limit = 0;
    std::uint64_t used = 0;
};

// The first entry that is for this user, whatever the case of letters; null: there is no limit.
[[nodiscard]] const QuotaConfig* quota_for(const std::vector<QuotaConfig>& quotas, std::string_view user);

// The limits that a quota has, in the order of its keys.
[[nodiscard]] std::vector<QuotaUse> uses_of(const QuotaConfig& quota, const SentCounts& sent);

struct QuotaRuling {
    enum class Kind : std::uint8_t {
        within,
        near,   // within, and now for the first time beyond the share that is worth a warning
        over,   // not before some time has gone
        never,  // the message alone is more than a limit
    };
    Kind kind = Kind::within;
    QuotaUse use{};     // of `near` with the message, of the others without
    std::string reply;  // to the client, where it may not: "452 4.7.1 ..."
};

// Whether one more message fits. The worst of the limits decides.
[[nodiscard]] QuotaRuling judge_quota(const QuotaConfig& quota, const SentCounts& sent, const SentMore& more);

}  // namespace sekisho::policy
