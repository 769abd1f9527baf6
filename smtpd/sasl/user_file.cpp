// SPDX-License-Identifier: Apache-2.0
// The user file, followed.
#include "smtpd/sasl/user_file.h"

#include <algorithm>
#include <string>
#include <utility>

#include "agent/base/log.h"

namespace sekisho::sasl {

namespace {

// So many bad lines are said one by one.
constexpr std::size_t most_said = 20;

}  // namespace

Result<UserFile> UserFile::open(std::filesystem::path path) {
    UserFile file(std::move(path));
    const auto seen = file.file_.look();
    auto users = file.read();
    if (!users) {
        return std::unexpected(users.error());
    }
    file.users_ = std::move(*users);
    file.seen_ = seen;
    file.report();
    return file;
}

Result<UserList> UserFile::read() const {
    const auto text = file_.read();
    if (!text) {
        return std::unexpected(text.error());
    }
    return UserList::parse(*text);
}

void UserFile::report() const {
    const auto& bad = users_.bad_lines();
    log::info("USERS_READ", "the user file was read",
              {{"file", file_.path().string()}, {"users", users_.size()}, {"bad_lines", bad.size()}});
    for (std::size_t i = 0; i < std::min(bad.size(), most_said); i++) {
        log::warning("USERS_BAD_LINE", bad[i].what,
                     {{"file", file_.path().string()}, {"line", bad[i].number}});
    }
}

const UserList& UserFile::users() {
    const KeptFile::Seen now = file_.look();
    if (seen_ == now) {
        return users_;
    }
    seen_ = now;
    if (!now.there) {
        // An editor may be about to put another in its place: nobody is locked out for that.
        log::warning("USERS_MISSING",
                     "the user file is gone; those known before stay known until the next start",
                     {{"file", file_.path().string()}});
        return users_;
    }
    if (auto users = read()) {
        users_ = std::move(*users);
        version_++;
        report();
    } else {
        log::error("USERS_UNREADABLE", users.error().what + "; those known before stay known",
                   {{"remedy", users.error().remedy}});
    }
    return users_;
}

Result<void> UserFile::change(const std::function<Result<void>(UserList&)>& apply) {
    // What stands in the file now is changed, not what was read from it once: somebody may have edited it.
    auto users = file_.look().there ? read() : users_;
    if (!users) {
        return std::unexpected(users.error());
    }
    if (auto applied = apply(*users); !applied) {
        return applied;
    }
    if (auto written = file_.replace(users->text()); !written) {
        return written;
    }
    users_ = std::move(*users);
    version_++;
    seen_ = file_.look();
    return {};
}

}  // namespace sekisho::sasl
