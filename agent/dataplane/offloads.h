// SPDX-License-Identifier: Apache-2.0
// What a device does to packets before a program sees them, asked of its driver and switched off (ethtool).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::dataplane {

// The name of the interface's driver; empty where it can't be told.
[[nodiscard]] std::string driver_of(const std::string& interface);

// What is on, in ethtool's words: "rxvlan" (a tag is taken off the frame: XDP would judge it as untagged, and
// answer without it), "lro" (segments are merged before XDP, which most drivers refuse). Empty where the
// driver can't be asked.
[[nodiscard]] std::vector<std::string> harmful_offloads(const std::string& interface);

// Switches those off, or `only` one of them, and says which were on. Failure::unavailable if the device keeps
// one on.
[[nodiscard]] Result<std::vector<std::string>> switch_off_offloads(const std::string& interface,
                                                                   std::string_view only = {});

// What largest packet it sends, in octets; 0 where that can't be told.
[[nodiscard]] int mtu_of(const std::string& interface);

}  // namespace sekisho::dataplane
