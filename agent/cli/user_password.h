// SPDX-License-Identifier: Apache-2.0
// A new password, from somebody at a terminal or from a script.
#pragma once

#include <string>

#include "agent/base/result.h"

namespace sekisho::cli {

// From a terminal: asked for twice, without showing it (Failure::invalid if the two differ). From anything
// else: the first line of `input`. At most 1023 octets. Failure::invalid for none,
// Failure::refused for one that is cut short by a signal.
[[nodiscard]] Result<std::string> read_password(int input, const std::string& name);

// Overwrites a secret, and empties it.
void wipe(std::string& text);

}  // namespace sekisho::cli
