// SPDX-License-Identifier: Apache-2.0
// Names for the numbers of bpf/sekisho_abi.h, as operators meet them in status, metrics and `why`.
#pragma once

#include <string_view>

namespace sekisho::dataplane {

// "not_granted" for SEKISHO_REASON_NOT_GRANTED; "unknown" for a number without a name.
[[nodiscard]] std::string_view reason_name(unsigned reason);
// "drop" for SEKISHO_DROP.
[[nodiscard]] std::string_view verdict_name(unsigned verdict);

}  // namespace sekisho::dataplane
