// SPDX-License-Identifier: Apache-2.0
// Names without regard to capital letters.
#include "agent/base/user_name.h"

#include <algorithm>

#include "agent/base/ascii.h"

namespace sekisho {

std::string folded(std::string_view user) {
    return lowered(user);
}

bool FoldedLess::operator()(std::string_view left, std::string_view right) const {
    return std::ranges::lexicographical_compare(left, right, {}, lower, lower);
}

}  // namespace sekisho
