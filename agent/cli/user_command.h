// SPDX-License-Identifier: Apache-2.0
// `sekisho user`: the users of the submission server, administered at sekisho-auth.
#pragma once

#include <iosfwd>
#include <string>

#include "agent/base/result.h"
#include "agent/cli/arguments.h"
#include "agent/cli/ask.h"

namespace sekisho::cli {

// Does one of the commands user_*. Passwords come from the terminal, or from standard input where that is
// none. Returns the exit code.
[[nodiscard]] int user_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

// Has sekisho-auth make the user `arguments.name` (Command::user_add), or change the user's password.
[[nodiscard]] Result<Reply> send_password(const Arguments& arguments, const std::string& password);

// Whether sekisho-auth is there.
[[nodiscard]] bool auth_answers(const Arguments& arguments);

}  // namespace sekisho::cli
