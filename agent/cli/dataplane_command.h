// SPDX-License-Identifier: Apache-2.0
// `sekisho dataplane detach`: what the agent must not do to itself.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Runs `sekishod --detach`, which alone knows the kernel half, and tells what it says. The exit code.
[[nodiscard]] int dataplane_detach(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
