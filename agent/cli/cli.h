// SPDX-License-Identifier: Apache-2.0
// The command `sekisho` as a function.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace sekisho::cli {

// Does what the arguments (without the program's name) ask for. Results go to `out`, errors to `err`; with
// --json errors are written to `out`, too, as {"error":{"kind","what","remedy"}}. Returns the exit code: 0
// done, 1 refused or failed, 2 wrong usage or a broken configuration file.
[[nodiscard]] int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
