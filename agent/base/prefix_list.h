// SPDX-License-Identifier: Apache-2.0
// Lists of prefixes as operators keep them in files.
#pragma once

#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho {

// More are not read.
inline constexpr std::size_t most_listed = 1'000'000;

// Reads one address or prefix from each line. Blanks around it, empty lines, and all from a # to the end of
// its line mean nothing. Sorted, each once. Failure::invalid for the first line that is wrong, with its
// number.
[[nodiscard]] Result<std::vector<Prefix>> parse_prefix_list(std::string_view text);

}  // namespace sekisho
