// SPDX-License-Identifier: Apache-2.0
// Another program, run to its end.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::cli {

struct ProgramSaid {
    int exit_code = 0;  // negative: the signal that ended it
    std::string text;   // both of its streams
};

// `words` begin with the program's path. It reads nothing. Failure::unavailable if it can't be started.
[[nodiscard]] Result<ProgramSaid> run_program(const std::vector<std::string>& words);

}  // namespace sekisho::cli
