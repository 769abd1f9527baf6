// SPDX-License-Identifier: Apache-2.0
// Becoming somebody who can do less.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "agent/base/result.h"

namespace sekisho {

// The number of a user. Failure::not_found, with a remedy, if there is none of this name.
[[nodiscard]] Result<uid_t> user_number(const std::string& name);

// Whether a user may read a file by what it says of owner, group and others; also where there is no user of
// this name, who would be kept out.
[[nodiscard]] bool may_read(const std::string& user, const struct stat& file);

// Becomes `user`, with the user's groups, for good: no capability, no way back, nothing gained by exec
// (PR_SET_NO_NEW_PRIVS), and no core dump that could hold secrets. For a process that is not root only the
// last two are done. Failure::not_found if there is no such user, Failure::unavailable if the kernel refuses.
[[nodiscard]] Result<void> drop_privileges(const std::string& user);

}  // namespace sekisho
