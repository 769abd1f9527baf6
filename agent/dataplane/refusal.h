// SPDX-License-Identifier: Apache-2.0
// What the kernel refuses, in an operator's words.
#pragma once

#include <expected>
#include <string>

#include "agent/base/result.h"

namespace sekisho::dataplane {

// "Operation not permitted" for an errno.
[[nodiscard]] std::string error_text(int error);

// What libbpf warns of from now on is kept, for refused().
void keep_refusals();

// Failure::unavailable: what was tried, the errno's text, what libbpf said of it, and what may help.
[[nodiscard]] std::unexpected<Error> refused(const std::string& what, int error);

}  // namespace sekisho::dataplane
