// SPDX-License-Identifier: Apache-2.0
// `sekisho logins test` and `logins patterns`: what a log would open, without opening anything.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Reads a log with the patterns of the configuration's [[login.log]] sections, or, where it has none, with
// all that are known, and tells what each line that is a login would lead to. The exit code: 1 if none is
// one.
[[nodiscard]] int logins_test(const Arguments& arguments, std::ostream& out, std::ostream& err);

// The patterns that are known without being told.
[[nodiscard]] int logins_patterns(const Arguments& arguments, std::ostream& out);

}  // namespace sekisho::cli
