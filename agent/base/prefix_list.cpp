// SPDX-License-Identifier: Apache-2.0
// Reads lists of prefixes.
#include "agent/base/prefix_list.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sekisho {

namespace {

std::string_view without_comment(std::string_view line) {
    constexpr std::string_view blanks = " \t\r";
    line = line.substr(0, line.find('#'));
    const std::size_t first = line.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view()
                                           : line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

}  // namespace

Result<std::vector<Prefix>> parse_prefix_list(std::string_view text) {
    std::vector<Prefix> prefixes;
    prefixes.reserve(
        std::min<std::size_t>(static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1, most_listed));
    for (std::size_t number = 1; !text.empty(); number++) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view entry = without_comment(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (entry.empty()) {
            continue;
        }
        const auto prefix = parse_prefix(entry);
        if (!prefix) {
            return fail(Failure::invalid, "line " + std::to_string(number) + ": " + prefix.error().what,
                        prefix.error().remedy);
        }
        if (prefixes.size() == most_listed) {
            return fail(Failure::invalid,
                        "line " + std::to_string(number) + ": there are more than " +
                            std::to_string(most_listed) + " prefixes",
                        "join neighbouring ones");
        }
        prefixes.push_back(*prefix);
    }
    std::ranges::sort(prefixes);
    prefixes.erase(std::ranges::unique(prefixes).begin(), prefixes.end());
    return prefixes;
}

}  // namespace sekisho
