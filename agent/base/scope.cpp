// SPDX-License-Identifier: Apache-2.0
// Scopes as text, and back.
#include "agent/base/scope.h"

#include <algorithm>

#include "agent/base/printable.h"

namespace sekisho {

std::string to_string(const Scope& scope) {
    return scope.edge && scope.relay ? "edge,relay" : scope.relay ? "relay" : "edge";
}

Result<Scope> parse_scope(std::string_view text) {
    Scope scope{.edge = false, .relay = false};
    for (bool more = true; more;) {
        const std::string_view word = text.substr(0, text.find(','));
        more = word.size() < text.size();
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (word == "edge") {
            scope.edge = true;
        } else if (word == "relay") {
            scope.relay = true;
        } else {
            return fail(Failure::invalid, "\"" + printable(word.substr(0, 64)) + "\" is no scope",
                        "write edge, relay or edge,relay");
        }
    }
    return scope;
}

}  // namespace sekisho
