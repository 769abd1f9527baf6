// SPDX-License-Identifier: Apache-2.0
// `sekisho setup`: from an unpacked box to one that works.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"
#include "agent/cli/setup_dialogue.h"
#include "agent/cli/setup_machine.h"

namespace sekisho::cli {

// Asks at the terminal, or reads the answers from standard input: see set_up_box(). For root only.
[[nodiscard]] int setup_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

// Asks, writes the configuration and, where it is missing, a certificate, starts the daemons, and adds the
// first user. A configuration that isn't the installed example is replaced only with --replace. Nothing is
// written before everything has been answered. `out` gets the result.
[[nodiscard]] int set_up_box(const Arguments& arguments, const SetupPlaces& places, SetupConsole& console,
                             std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
