// SPDX-License-Identifier: Apache-2.0
// `sekisho backup` and `sekisho restore`: what a machine is, in one file.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// What is installed beside the command to do it with.
inline constexpr const char* backup_program = "/usr/lib/sekisho/backup";

// The words that the program gets for `backup` or `restore`.
[[nodiscard]] std::vector<std::string> backup_words(const Arguments& arguments);

// Lets `program` do it, in this process's place. Returns only where it can't be started.
[[nodiscard]] int backup_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                                 const std::filesystem::path& program = backup_program);

}  // namespace sekisho::cli
