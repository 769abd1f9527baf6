// SPDX-License-Identifier: Apache-2.0
// Names without regard to capital letters.
#include "agent/base/user_name.h"

#include <algorithm>

namespace sekisho {

namespace {

char small(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

}  // namespace

std::string folded(std::string_view user) {
    std::string name(user);
    std::ranges::transform(name, name.begin(), small);
    return name;
}

bool FoldedLess::operator()(std::string_view left, std::string_view right) const {
    return std::ranges::lexicographical_compare(left, right, {}, small, small);
}

}  // namespace sekisho
