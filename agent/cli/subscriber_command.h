// SPDX-License-Identifier: Apache-2.0
// `sekisho subscriber`: who has which addresses, asked about or told by a list.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Does one of the commands subscriber_*. Returns the exit code.
[[nodiscard]] int subscriber_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
