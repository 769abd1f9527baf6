// SPDX-License-Identifier: Apache-2.0
// `sekisho queue`: mail that waits, asked about at sekisho-relay.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Does one of the commands queue_*. Returns the exit code.
[[nodiscard]] int queue_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
