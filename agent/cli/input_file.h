// SPDX-License-Identifier: Apache-2.0
// A list that an operator hands over, read whole.
#pragma once

#include <string>

#include "agent/base/result.h"

namespace sekisho::cli {

// What stands in a file of at most 64 MiB; "-" is standard input.
[[nodiscard]] Result<std::string> read_input(const std::string& file);

}  // namespace sekisho::cli
