// SPDX-License-Identifier: Apache-2.0
// Other operators' dynamic addresses, as the kernel knows them.
#pragma once

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::dataplane {

// Whether an address is among those that `outer` (the map sekisho_foreign) holds.
[[nodiscard]] Result<bool> is_foreign_dynamic(int outer, const Address& address);

}  // namespace sekisho::dataplane
