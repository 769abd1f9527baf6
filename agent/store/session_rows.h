// SPDX-License-Identifier: Apache-2.0
// How the lists of a session stand in one column. Internal to this room.
#pragma once

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

// With a blank between two: "192.0.2.7/32 2001:db8::/56".
[[nodiscard]] std::string prefixes_text(const std::vector<Prefix>& prefixes);
[[nodiscard]] Result<std::vector<Prefix>> read_prefixes(std::string_view text);

}  // namespace sekisho::store
