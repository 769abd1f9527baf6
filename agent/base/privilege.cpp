// SPDX-License-Identifier: Apache-2.0
// Supplementary groups first, the user last: each step needs what the next one gives away.
#include "agent/base/privilege.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace sekisho {

namespace {

struct User {
    uid_t user = 0;
    gid_t group = 0;
};

Result<User> find(const std::string& name) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return fail(Failure::not_found, "there is no user " + name,
                    "create it: useradd --system --no-create-home " + name);
    }
    return User{.user = found->pw_uid, .group = found->pw_gid};
}

std::unexpected<Error> refused(const char* what) {
    return fail(Failure::unavailable, std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

Result<uid_t> user_number(const std::string& name) {
    const auto user = find(name);
    if (!user) {
        return std::unexpected(user.error());
    }
    return user->user;
}

bool may_read(const std::string& user, const struct stat& file) {
    const auto found = find(user);
    if (!found || found->user == 0) {
        return true;
    }
    if (found->user == file.st_uid) {
        return (file.st_mode & S_IRUSR) != 0;
    }
    std::vector<gid_t> groups(1024);  // more than NGROUPS_MAX of old; who has more of them isn't a daemon
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(user.c_str(), found->group, groups.data(), &count) < 0) {
        return false;
    }
    groups.resize(static_cast<std::size_t>(count));
    return (file.st_mode & (std::ranges::find(groups, file.st_gid) != groups.end() ? S_IRGRP : S_IROTH)) != 0;
}

Result<void> drop_privileges(const std::string& user) {
    if (::geteuid() == 0) {
        const auto target = find(user);
        if (!target) {
            return std::unexpected(target.error());
        }
        if (::initgroups(user.c_str(), target->group) != 0) {
            return refused("initgroups");
        }
        if (::setresgid(target->group, target->group, target->group) != 0) {
            return refused("setresgid");
        }
        if (::setresuid(target->user, target->user, target->user) != 0) {
            return refused("setresuid");
        }
        if (target->user != 0 && ::setuid(0) == 0) {
            return fail(Failure::unavailable, "root's privileges could not be given up");
        }
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return refused("PR_SET_NO_NEW_PRIVS");
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return refused("PR_SET_DUMPABLE");
    }
    return {};
}

}  // namespace sekisho
