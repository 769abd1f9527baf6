// SPDX-License-Identifier: Apache-2.0
// `sekisho why-relay`: what sekisho-smtpd would do with mail.
#pragma once

#include <iosfwd>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Asks and prints. Returns the exit code: done if there is an answer, whatever it is.
[[nodiscard]] int why_relay_command(const Arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
