// SPDX-License-Identifier: Apache-2.0
// Commands that a program beside this one does.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::cli {

// Runs `program` with these words in this process's place: it prints, and its exit code is the command's.
// Returns only where it can't be started, Failure::unavailable with the system's reason; where there is no
// such program, `missing`.
[[nodiscard]] Error become(const std::filesystem::path& program, std::vector<std::string> words,
                           Error missing, std::ostream& out);

}  // namespace sekisho::cli
