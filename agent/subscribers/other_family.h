// SPDX-License-Identifier: Apache-2.0
// What else a subscriber has who has logged in over one family. Pure.
#pragma once

#include <vector>

#include "agent/base/address.h"
#include "agent/grants/grants.h"
#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

// For each prefix of the other family that the session has and holds, its first address. Left out is what is
// in no pool or in a shared one, and what is more than one key: nobody has shown that he has all of it.
[[nodiscard]] std::vector<Address> other_family(const Session& session, const Address& address,
                                                const Sessions& sessions, const grants::Grants& grants);

}  // namespace sekisho::subscribers
