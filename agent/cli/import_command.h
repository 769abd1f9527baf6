// SPDX-License-Identifier: Apache-2.0
// `sekisho grant import`: a list of subscribers, sent to the agent in parts.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Returns the exit code: 1 also where some were refused.
[[nodiscard]] int grant_import(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
