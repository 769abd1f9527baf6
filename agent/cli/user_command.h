// SPDX-License-Identifier: Apache-2.0
// `sekisho user`: the users of the submission server, administered at sekisho-auth.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Does one of the commands user_*. Passwords come from the terminal, or from standard input where that is
// none. Returns the exit code.
[[nodiscard]] int user_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
