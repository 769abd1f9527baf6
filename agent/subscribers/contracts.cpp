// SPDX-License-Identifier: Apache-2.0
// Static contracts.
#include "agent/subscribers/contracts.h"

#include <algorithm>

#include "agent/base/pattern.h"

namespace sekisho::subscribers {

namespace {

// A label with a NUL is binary, and no pattern that somebody has written fits it.
bool any_fits(const std::vector<std::string>& patterns, const std::vector<std::string>& labels) {
    return std::ranges::any_of(labels,
                               [&patterns](const std::string& label) { return fits_any(patterns, label); });
}

}  // namespace

std::string_view Contracts::of(const Session& session) const {
    const auto found = std::ranges::find_if(all_, [&session](const Contract& contract) {
        return any_fits(contract.classes, session.classes) || any_fits(contract.filters, session.filters) ||
               (!session.user.empty() && contract.users.contains(session.user));
    });
    return found == all_.end() ? std::string_view() : found->name;
}

std::set<std::string, std::less<>> names_of(std::string_view list) {
    std::set<std::string, std::less<>> names;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find('\n'), list.size());
        std::string_view line = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        line = line.substr(0, line.find('#'));
        const std::size_t first = line.find_first_not_of(" \t\r");
        if (first != std::string_view::npos) {
            names.emplace(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
        }
    }
    return names;
}

}  // namespace sekisho::subscribers
