// SPDX-License-Identifier: Apache-2.0
// Names for messages and connections.
#pragma once

#include <string>

namespace sekisho::handoff {

// 16 of [0-9a-z], 82 random bits: nobody meets another's, and nobody guesses one. std::runtime_error if the
// kernel gives no random numbers.
[[nodiscard]] std::string new_id();

}  // namespace sekisho::handoff
