// SPDX-License-Identifier: Apache-2.0
// A table of fixed size.
#include "agent/logins/homes.h"

#include <algorithm>
#include <functional>
#include <string>

namespace sekisho::logins {

namespace {

std::uint64_t pair_of(std::string_view user, std::string_view network) {
    std::string both(network);  // has no blanks
    both += ' ';
    both += user;
    return std::hash<std::string>()(both);
}

// From 1 on, so that 0 is a free place.
std::int64_t second_of(Moment moment) {
    return std::chrono::floor<std::chrono::seconds>(moment.time_since_epoch()).count() + 1;
}

}  // namespace

void Homes::remember(std::string_view user, std::string_view network, Moment now) {
    Shelf& shelf = shelves_[std::hash<std::string_view>()(user) % shelf_count];
    const std::uint64_t pair = pair_of(user, network);
    auto* home = std::ranges::find(shelf, pair, &Home::pair);
    if (home == shelf.end()) {
        home = std::ranges::min_element(shelf, {}, &Home::seen);
    }
    *home = {.pair = pair, .seen = second_of(now)};
}

bool Homes::knows(std::string_view user, std::string_view network, Moment now) const {
    const Shelf& shelf = shelves_[std::hash<std::string_view>()(user) % shelf_count];
    const auto* const home = std::ranges::find(shelf, pair_of(user, network), &Home::pair);
    return home != shelf.end() && home->seen != 0 &&
           second_of(now) - home->seen <= std::chrono::seconds(kept).count();
}

}  // namespace sekisho::logins
