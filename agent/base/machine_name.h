// SPDX-License-Identifier: Apache-2.0
// What this machine calls itself.
#pragma once

#include <string>

namespace sekisho {

// gethostname(2), or "localhost" on a machine without a name.
[[nodiscard]] std::string machine_name();

}  // namespace sekisho
