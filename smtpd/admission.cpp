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
    return {.hour = sent.hour,
            .day = sent.day,
            .new_hour = sent.new_hour,
            .new_day = sent.new_day,
            .addresses_day = sent.addresses_day,
            .networks_day = sent.networks_day,
            .failed_day = sent.failed_day};
}

std::string words_of(const policy::QuotaUse& use) {
    return std::string(use.name) + " = " + std::to_string(use.limit);
}

Result<Admission> judge(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                        const std::string& user, const policy::SentMore& more, message::WallTime now) {
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
    Admission admission{.quota = policy::judge_quota(*quota, counts_of(*sent), more)};
    admission.refused = admission.quota.reply;
    admission.stops = quota->stop && admission.quota.kind == Kind::over;
    return admission;
}

}  // namespace

Result<Admission> judge_user(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                             const std::string& user, message::WallTime now) {
    auto admission = judge(senders, quotas, user, {.recipients = 1}, now);
    // Who is to be stopped is stopped by a message that goes too far: it must come.
    if (admission && admission->stops) {
        admission->refused.clear();
        admission->stops = false;
    }
    return admission;
}

Result<Admission> admit(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                        const message::Envelope& envelope, message::WallTime now) {
    const auto novelty = senders.novelty(envelope, now);
    if (!novelty) {
        return std::unexpected(novelty.error());
    }
    auto admission = judge(senders, quotas, envelope.user,
                           {.recipients = envelope.recipients.size(),
                            .fresh = novelty->recipients,
                            .addresses = novelty->addresses,
                            .networks = novelty->networks},
                           now);
    if (!admission) {
        return admission;
    }
    Result<void> written;
    if (admission->refused.empty()) {
        written = senders.count(envelope, novelty->recipients, now);
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
