// SPDX-License-Identifier: Apache-2.0
// Distances between words.
#include "agent/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sekisho {

namespace {

// Levenshtein's distance: how many letters to change, add or leave out.
std::size_t distance(std::string_view one, std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j < row.size(); j++) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= one.size(); i++) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= other.size(); j++) {
            const std::size_t changed = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({changed, row[j] + 1, row[j - 1] + 1}));
        }
    }
    return row.back();
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
    const auto found = std::ranges::min_element(
        known, {}, [word](const std::string& candidate) { return distance(word, candidate); });
    if (found == known.end() || distance(word, *found) > std::max<std::size_t>(2, word.size() / 3)) {
        return std::nullopt;
    }
    return *found;
}

}  // namespace sekisho
