// SPDX-License-Identifier: Apache-2.0
// Names by which users log in.
#pragma once

#include <string>
#include <string_view>

namespace sekisho {

// With small letters, as mail servers compare names: Alice is alice. Only ASCII's.
[[nodiscard]] std::string folded(std::string_view user);

// The order of the names as folded() makes them.
struct FoldedLess {
    [[nodiscard]] bool operator()(std::string_view left, std::string_view right) const;
};

}  // namespace sekisho
