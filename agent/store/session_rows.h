// SPDX-License-Identifier: Apache-2.0
// How the lists of a session stand in one column. Internal to this room.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::store {

// Octets of any kind, each entry as a netstring: "5:gold-,0:,".
[[nodiscard]] std::string labels_text(const std::vector<std::string>& labels);
// Failure::invalid for what labels_text() doesn't write.
[[nodiscard]] Result<std::vector<std::string>> read_labels(std::string_view text);

// What a session has, and since when.
struct HeldPrefixes {
    std::vector<Prefix> prefixes;
    std::vector<std::chrono::sys_seconds> since;  // of each; empty where it isn't known
};

// With a blank between two, and the second of 1970: "192.0.2.7/32@1790000000 2001:db8::/56@1790000000".
// Without the second where it isn't known, as before schema 11.
[[nodiscard]] std::string prefixes_text(const HeldPrefixes& held);
// Failure::invalid for what prefixes_text() doesn't write.
[[nodiscard]] Result<HeldPrefixes> read_prefixes(std::string_view text);

}  // namespace sekisho::store
