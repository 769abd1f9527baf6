// SPDX-License-Identifier: Apache-2.0
// The route by which the submission server tells of logins. Internal to this room.
#pragma once

#include <string_view>

#include "agent/api/routes.h"

namespace sekisho::api {

inline constexpr std::string_view logins_path = "/v1/logins";

// POST {"address","user","protocol","success"} and, where they are known, "port","mechanism","tls".
[[nodiscard]] Response report_login(Agent& agent, const Request& request);

}  // namespace sekisho::api
