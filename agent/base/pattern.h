// SPDX-License-Identifier: Apache-2.0
// An operator's patterns of names (fnmatch(3)): "*@example.net".
#pragma once

#include <string>
#include <vector>

namespace sekisho {

// Whether one of them fits. A text with a NUL fits none: for fnmatch() it would end there, and fit what is
// meant for others.
[[nodiscard]] bool fits_any(const std::vector<std::string>& patterns, const std::string& text);

// Whether a pattern is one that nftables knows, too: a name, or the beginning of names and "*".
[[nodiscard]] bool is_beginning(const std::string& pattern);

}  // namespace sekisho
