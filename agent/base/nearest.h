// SPDX-License-Identifier: Apache-2.0
// What a mistyped word was probably meant to be.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho {

// The known word that is nearest to `word`, if it is near enough to ask "did you mean": two letters, or a
// third of the word, to change, add or leave out.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 const std::vector<std::string>& known);

}  // namespace sekisho
