// SPDX-License-Identifier: Apache-2.0
// Each limit by itself, and the worst of them.
#include "smtpd/policy/quota.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/pattern.h"

namespace sekisho::policy {

namespace {

using Kind = QuotaRuling::Kind;

// A limit as the configuration names it, as it is counted, and in words for whoever reads the reply.
struct Limit {
    std::string_view name;
    std::uint32_t QuotaConfig::* limit;
    std::uint64_t SentCounts::* count;
    std::uint64_t SentMore::* more;
    std::string_view what;
    std::string_view time;
};
constexpr std::array<Limit, 7> limits = {{
    {"hour", &QuotaConfig::hour, &SentCounts::hour, &SentMore::recipients, "recipients", "hour"},
    {"day", &QuotaConfig::day, &SentCounts::day, &SentMore::recipients, "recipients", "day"},
    {"new_hour", &QuotaConfig::new_hour, &SentCounts::new_hour, &SentMore::fresh, "new recipients", "hour"},
    {"new_day", &QuotaConfig::new_day, &SentCounts::new_day, &SentMore::fresh, "new recipients", "day"},
    {"addresses_day", &QuotaConfig::addresses_day, &SentCounts::addresses_day, &SentMore::addresses,
     "addresses to send from", "day"},
    {"networks_day", &QuotaConfig::networks_day, &SentCounts::networks_day, &SentMore::networks,
     "networks to send from", "day"},
    {"failed_day", &QuotaConfig::failed_day, &SentCounts::failed_day, &SentMore::failed,
     "recipients who could not be reached", "day"},
}};

std::string reply_to(const Limit& limit, Kind kind, const QuotaUse& use, std::uint64_t more) {
    const std::string what = " " + std::string(limit.what);
    const std::string yours =
        "our limit of " + std::to_string(use.limit) + what + " within one " + std::string(limit.time);
    return kind == Kind::never
               ? "550 5.7.1 This message has " + std::to_string(more) + what + ", beyond y" + yours
               : "452 4.7.1 Y" + yours + " is reached: try again later";
}

QuotaRuling judge_limit(const Limit& limit, const QuotaConfig& quota, const QuotaUse& use,
                        std::uint64_t more) {
    constexpr std::uint64_t whole = 100;  // per cent
    const std::uint64_t then = use.used + more;
    if (more > 0 && then > use.limit) {
        const Kind kind = more > use.limit ? Kind::never : Kind::over;
        return {.kind = kind, .use = use, .reply = reply_to(limit, kind, use, more)};
    }
    const std::uint64_t warned = quota.warn * use.limit;
    // Of what nobody knows yet there is nothing to warn of.
    const bool known = limit.more != &SentMore::failed;
    const bool near = known && use.used * whole < warned && then * whole >= warned;
    return {.kind = near ? Kind::near : Kind::within,
            .use = {.name = use.name, .limit = use.limit, .used = then},
            .reply = {}};
}

}  // namespace

const QuotaConfig* quota_for(const std::vector<QuotaConfig>& quotas, std::string_view user) {
    const std::string name = lowered(user);
    const auto found = std::ranges::find_if(quotas, [&name](const QuotaConfig& each) {
        return each.users.empty() || fits_any(each.users, name);
    });
    return found == quotas.end() ? nullptr : &*found;
}

std::vector<QuotaUse> uses_of(const QuotaConfig& quota, const SentCounts& sent) {
    std::vector<QuotaUse> uses;
    for (const Limit& limit : limits) {
        if (quota.*limit.limit != 0) {
            uses.push_back({.name = limit.name, .limit = quota.*limit.limit, .used = sent.*limit.count});
        }
    }
    return uses;
}

QuotaRuling judge_quota(const QuotaConfig& quota, const SentCounts& sent, const SentMore& more) {
    QuotaRuling worst;
    for (const Limit& limit : limits) {
        if (quota.*limit.limit == 0) {
            continue;
        }
        QuotaRuling ruling = judge_limit(
            limit, quota, {.name = limit.name, .limit = quota.*limit.limit, .used = sent.*limit.count},
            more.*limit.more);
        if (ruling.kind > worst.kind) {
            worst = std::move(ruling);
        }
    }
    return worst;
}

}  // namespace sekisho::policy
