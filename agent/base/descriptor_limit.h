// SPDX-License-Identifier: Apache-2.0
// How many file descriptors this process may have.
#pragma once

#include <cstdint>

namespace sekisho {

// The limit that holds now.
[[nodiscard]] std::uint64_t descriptor_limit();

// Takes as many as it ever may have: the usual 1024 are a precaution for programs that use select(). What
// can't be had is done without.
void raise_descriptor_limit();

}  // namespace sekisho
