// SPDX-License-Identifier: Apache-2.0
// Supplementary groups first, the user last: each step needs what the next one gives away.
#include "agent/base/privilege.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

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
