// SPDX-License-Identifier: Apache-2.0
// Patterns by the C library.
#include "agent/base/pattern.h"

#include <fnmatch.h>

#include <algorithm>

namespace sekisho {

bool fits_any(const std::vector<std::string>& patterns, const std::string& text) {
    return text.find('\0') == std::string::npos &&
           std::ranges::any_of(patterns, [&text](const std::string& pattern) {
               return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
           });
}

bool is_beginning(const std::string& pattern) {
    return !pattern.empty() && pattern.find_first_of(R"(?[\")") == std::string::npos &&
           pattern.find('*') >= pattern.size() - 1;
}

}  // namespace sekisho
