// SPDX-License-Identifier: Apache-2.0
// Errors as values. A function that can fail returns Result<T>; the caller looks before it uses.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sekisho {

// What kind of failure, as far as a caller may want to act on it.
enum class Failure {
    invalid,  // the input is wrong; saying it again won't help
    refused,  // understood, and a rule says no
    not_found,
    conflict,     // it is there already, or somebody else holds it
    unavailable,  // something outside is missing or broken; may work later
};

// The kind's name in JSON.
constexpr std::string_view failure_name(Failure kind) {
    switch (kind) {
        case Failure::invalid:
            return "invalid";
        case Failure::refused:
            return "refused";
        case Failure::not_found:
            return "not_found";
        case Failure::conflict:
            return "conflict";
        case Failure::unavailable:
            return "unavailable";
    }
    std::unreachable();
}

// What went wrong, in words for an operator, and what to do about it (may be empty).
struct Error {
    Failure kind = Failure::unavailable;
    std::string what;
    std::string remedy;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Failure kind, std::string what, std::string remedy = {}) {
    return std::unexpected(Error{kind, std::move(what), std::move(remedy)});
}

}  // namespace sekisho
