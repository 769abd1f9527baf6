// SPDX-License-Identifier: Apache-2.0
// `sekisho events`: what was decided, and what is being decided now.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Prints the last events, and with --follow those that come, until an error or a signal ends it. With --json
// each is a line. Returns the exit code.
[[nodiscard]] int events_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
