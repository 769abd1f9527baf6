// SPDX-License-Identifier: Apache-2.0
// submission.sender_file: which addresses each user may send as, read again when the file changes.
#pragma once

#include "agent/base/changed_file.h"
#include "agent/base/config_submission.h"
#include "agent/base/result.h"
#include "smtpd/policy/senders.h"

namespace sekisho {

class SenderFile {
public:
    // Reads the file, if the configuration names one. Failure::unavailable or Failure::invalid if that can't
    // be done.
    [[nodiscard]] static Result<SenderFile> open(const SubmissionConfig& config);

    // What holds now; null where users may send as anybody. A file that has become wrong, or is gone, is told
    // of once in the log, and what was there before holds. Valid until it is asked again.
    [[nodiscard]] const policy::SenderRights* rights();

private:
    SenderFile(bool enforced, ChangedFile file) : enforced_(enforced), file_(std::move(file)) {}
    [[nodiscard]] Result<void> read();

    bool enforced_;
    ChangedFile file_;
    policy::SenderRights rights_;
};

}  // namespace sekisho
