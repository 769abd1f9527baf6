// SPDX-License-Identifier: Apache-2.0
// The route to the audit log. Internal to this room.
#pragma once

#include "agent/api/routes.h"

namespace sekisho::api {

// GET /v1/events?after=ID&before=ID&count=N&within=PREFIX&name=NAME&user=USER&reporter=NAME&session=ID&
// since=SECONDS: an address as `within` means its subscriber.
[[nodiscard]] Response list_events(Agent& agent, const Request& request);

}  // namespace sekisho::api
