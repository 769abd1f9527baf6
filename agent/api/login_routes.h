// SPDX-License-Identifier: Apache-2.0
// The routes of the submission server: it tells of logins, and asks who has logged in elsewhere. Internal to
// this room.
#pragma once

#include <string_view>

#include "agent/api/routes.h"

namespace sekisho::api {

inline constexpr std::string_view logins_path = "/v1/logins";
inline constexpr std::string_view relay_prefix = "/v1/relay/";
inline constexpr std::string_view locked_prefix = "/v1/locked/";

// POST {"address","user","protocol","success"} and, where they are known, "port","mechanism","tls", and in a
// list "also" what the same user is called elsewhere.
[[nodiscard]] Response report_login(Agent& agent, const Request& request);

// GET /v1/locked/ADDRESS?user=NAME&also=NAME: {"locked":true} where a login from there is to be refused for
// what has failed before, as that user, by any of these names, or, without one, as anybody.
[[nodiscard]] Response show_locked(Agent& agent, const Request& request);

// GET /v1/relay/ADDRESS: {"relay":true,"user","until"}, or {"relay":false}.
[[nodiscard]] Response show_relay_right(Agent& agent, const Request& request);

}  // namespace sekisho::api
