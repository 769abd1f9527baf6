// SPDX-License-Identifier: Apache-2.0
// Other operators' dynamic addresses, as the kernel knows them.
#pragma once

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::dataplane {

// Whether an address is among those that the kernel holds, asked by Kernel::ask_foreign().
[[nodiscard]] Result<bool> is_foreign_dynamic(int ask_foreign, const Address& address);

}  // namespace sekisho::dataplane
