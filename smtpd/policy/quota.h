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

// Recipients to whom a user has sent, counted as often as they were sent to. New ones are those to whom the
// user had not sent before.
struct SentCounts {
    std::uint64_t hour = 0;  // the last one
    std::uint64_t day = 0;   // the last 24 hours
    std::uint64_t new_hour = 0;
    std::uint64_t new_day = 0;
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

// Whether a message to so many more recipients fits, `fresh` of whom are new. The worst of its limits
// decides.
[[nodiscard]] QuotaRuling judge_quota(const QuotaConfig& quota, const SentCounts& sent,
                                      std::uint64_t recipients, std::uint64_t fresh);

}  // namespace sekisho::policy
