// SPDX-License-Identifier: Apache-2.0
// A secret that lasts: from it comes what unknown users are judged by.
#pragma once

#include <filesystem>
#include <string>

#include "agent/base/result.h"

namespace sekisho::sasl {

// 32 octets: those in this file, or new ones that are put there, for its owner only. If another start had
// other ones, a name whose salt (RFC 5802) has changed meanwhile would be nobody's. Where the file can't be
// used that is said in the log, and the key is good for this time only. Failure::unavailable without
// randomness.
[[nodiscard]] Result<std::string> stand_in_key(const std::filesystem::path& file);

}  // namespace sekisho::sasl
