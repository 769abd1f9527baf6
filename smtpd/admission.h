// SPDX-License-Identifier: Apache-2.0
// Whether a user may send: who has been stopped may not, and nobody may beyond their quota
// ([[submission.quota]]). Asked where the mail is kept, so that what is counted is what is kept.
#pragma once

#include <string>
#include <vector>

#include "agent/base/config_submission.h"
#include "agent/base/result.h"
#include "smtpd/message/envelope.h"
#include "smtpd/policy/quota.h"
#include "smtpd/spool/senders.h"

namespace sekisho {

struct Admission {
    policy::QuotaRuling quota{};
    bool stops = false;     // by this message the user has gone too far, and may send nothing from now on
    std::string refused{};  // the reply; empty: the message may be kept
};

// Whether the user may send anything at all: to one whom they have sent to before, from where they have sent
// before. Who is at the end of a quota that stops users still may: admit() does that.
[[nodiscard]] Result<Admission> judge_user(const spool::Senders& senders,
                                           const std::vector<QuotaConfig>& quotas, const std::string& user,
                                           message::WallTime now);

// Whether this message of a user may be kept. Counts it if so; stops the user where the quota wants that.
// For the spool's own senders, within the commit of the message.
[[nodiscard]] Result<Admission> admit(const spool::Senders& senders, const std::vector<QuotaConfig>& quotas,
                                      const message::Envelope& envelope, message::WallTime now);

// What was decided, into the log.
void log_admission(const Admission& admission, const message::Envelope& envelope);

}  // namespace sekisho
