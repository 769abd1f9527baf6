// SPDX-License-Identifier: Apache-2.0
// The file of senders.
#include "smtpd/sender_file.h"

#include <string>
#include <utility>

#include "agent/base/log.h"

namespace sekisho {

Result<SenderFile> SenderFile::open(const SubmissionConfig& config) {
    SenderFile file(
        config.own_senders,
        {config.sender_file, "put a line there for each user: anna: anna@example.net *@anna.example"});
    if (auto done = file.read(); !done) {
        return std::unexpected(done.error());
    }
    return file;
}

Result<void> SenderFile::read() {
    if (file_.path().empty()) {
        return {};
    }
    const auto text = file_.changed();
    if (!text) {
        return std::unexpected(text.error());
    }
    const std::optional<std::string>& content = *text;
    if (!content) {
        return {};
    }
    auto rights = policy::SenderRights::parse(*content);
    if (!rights) {
        return fail(rights.error().kind, file_.path().string() + ", " + rights.error().what,
                    rights.error().remedy);
    }
    rights_ = std::move(*rights);
    log::info("SENDERS_READ", "the addresses that users may send as",
              {{"file", file_.path().string()}, {"users", rights_.size()}});
    return {};
}

const policy::SenderRights* SenderFile::rights() {
    if (!enforced_) {
        return nullptr;
    }
    if (const auto done = read(); !done) {
        log::error("SENDERS_UNREADABLE", done.error().what + "; what was there before holds",
                   {{"remedy", done.error().remedy}});
    }
    return &rights_;
}

}  // namespace sekisho
