// SPDX-License-Identifier: Apache-2.0
// The command `sekisho` as a function.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace sekisho::cli {

// Exit codes.
inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_wrong_usage = 2;  // or a broken configuration file

// Does what the arguments (without the program's name) ask for. Results go to `out`, errors to `err`; with
// --json errors are written to `out`, too, as {"error":{"kind","what","remedy"}}. Returns the exit code.
[[nodiscard]] int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
