// SPDX-License-Identifier: Apache-2.0
// Stops first, then quotas.
#include "smtpd/admission.h"

#include "agent/base/log.h"

namespace sekisho {

namespace {

using Kind = policy::QuotaRuling::Kind;

// For now (4xx), so that what an innocent user's programs hold is not lost when an operator has looked.
constexpr const char* stopped_reply =
    "450 4.7.1 Sending has been stopped for your account: ask your provider why";
constexpr const char* by_quota = "sekisho-relay";

policy::SentCounts counts_of(const spool::Sent& sent) {
    return {.hour = sent.hour, .day = sent.day, .new_hour = sent.new_hour, .new_day = sent.new_day};
}

std::string words_of(const policy::QuotaUse& use) {
    return std::string(use.name) + " = " + std::to_string(use.limit);
}

Result<Admission> judge(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                        const std::string& user, std::uint64_t recipients, std::uint64_t fresh,
                        message::WallTime now) {
    const auto stop = senders.stop_of(user);
    if (!stop) {
        return std::unexpected(stop.error());
    }
    if (stop->has_value()) {
        return Admission{.refused = stopped_reply};
    }
    const QuotaConfig* const quota = policy::quota_for(quotas, user);
    if (quota == nullptr) {
        return Admission{};
    }
    const auto sent = senders.sent(user, now);
    if (!sent) {
        return std::unexpected(sent.error());
    }
    Admission admission{.quota = policy::judge_quota(*quota, counts_of(*sent), recipients, fresh)};
    admission.refused = admission.quota.reply;
    admission.stops = quota->stop && admission.quota.kind == Kind::over;
    return admission;
}

}  // namespace

Result<Admission> judge_user(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                             const std::string& user, message::WallTime now) {
    return judge(senders, quotas, user, 1, 0, now);
}

Result<Admission> admit(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                        const message::Envelope& envelope, message::WallTime now) {
    const auto fresh = senders.strangers(envelope.user, envelope.recipients);
    if (!fresh) {
        return std::unexpected(fresh.error());
    }
    auto admission = judge(senders, quotas, envelope.user, envelope.recipients.size(), *fresh, now);
    if (!admission) {
        return admission;
    }
    Result<void> written;
    if (admission->refused.empty()) {
        written = senders.count(envelope.user, envelope.recipients, *fresh, now);
    } else if (admission->stops) {
        admission->refused = stopped_reply;
        written = senders.stop({.user = envelope.user,
                                .since = now,
                                .who = by_quota,
                                .reason = "beyond the quota: " + words_of(admission->quota.use)});
    }
    return written ? std::move(admission) : std::unexpected(written.error());
}

void log_admission(const Admission& admission, const message::Envelope& envelope) {
    const policy::QuotaUse& use = admission.quota.use;
    const auto say = [&](std::string_view name, std::string_view text) {
        log::warning(name, text,
                     {{"user", envelope.user},
                      {"client", envelope.client},
                      {"limit", words_of(use)},
                      {"used", use.used},
                      {"recipients", envelope.recipients.size()},
                      {"id", envelope.id}});
    };
    if (admission.stops) {
        say("USER_STOPPED", "a user has gone beyond a quota, and may send nothing until an operator says so");
    } else if (admission.quota.kind == Kind::near) {
        say("USER_NEAR_QUOTA", "a user comes near a quota");
    } else if (admission.quota.kind != Kind::within) {
        say("USER_OVER_QUOTA", "a message beyond a user's quota is refused");
    }
}

}  // namespace sekisho
