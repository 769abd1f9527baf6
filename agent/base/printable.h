// SPDX-License-Identifier: Apache-2.0
// Text from strangers, made fit for terminals and logs.
#pragma once

#include <string>
#include <string_view>

namespace sekisho {

// The text with everything that could move a cursor or forge a line written out: control characters (C0, DEL,
// C1), bytes that aren't UTF-8, and Unicode's line and direction marks become \xNN or \u{NNNN}; a backslash
// becomes two.
[[nodiscard]] std::string printable(std::string_view text);

// Whether the text is UTF-8 (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace sekisho
