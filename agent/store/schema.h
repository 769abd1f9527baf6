// SPDX-License-Identifier: Apache-2.0
// The agent's tables. Internal to this room.
#pragma once

#include "agent/base/schema.h"

namespace sekisho::store {

[[nodiscard]] const Schema& schema();

}  // namespace sekisho::store
