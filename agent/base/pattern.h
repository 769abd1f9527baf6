// SPDX-License-Identifier: Apache-2.0
// An operator's patterns of names (fnmatch(3)): "*@example.net".
#pragma once

#include <string>
#include <vector>

namespace sekisho {

// Whether one of them fits. A text with a NUL fits none: for fnmatch() it would end there, and fit what is
// meant for others.
[[nodiscard]] bool fits_any(const std::vector<std::string>& patterns, const std::string& text);

}  // namespace sekisho
