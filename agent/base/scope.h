// SPDX-License-Identifier: Apache-2.0
// What a grant is good for.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho {

struct Scope {
    bool edge = true;    // the enforced ports are open at this box
    bool relay = false;  // the submission server takes mail for anywhere without another login

    bool operator==(const Scope&) const = default;
};

// "edge", "relay" or "edge,relay".
[[nodiscard]] std::string to_string(const Scope& scope);
// Its words in any order, separated by commas. Failure::invalid for none, or another one.
[[nodiscard]] Result<Scope> parse_scope(std::string_view text);

}  // namespace sekisho
