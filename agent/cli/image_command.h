// SPDX-License-Identifier: Apache-2.0
// `sekisho image`: the appliance's two versions of itself.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// What the image brings along to do it with.
inline constexpr const char* image_program = "/usr/lib/sekisho/image";

// The words that the program gets for one of the commands image_*.
[[nodiscard]] std::vector<std::string> image_words(const Arguments& arguments);

// Lets `program` do it, in this process's place: it prints, and its exit code is the command's. Returns only
// where it can't be started, which is where the box was not made from the image.
[[nodiscard]] int image_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                                const std::filesystem::path& program = image_program);

}  // namespace sekisho::cli
