// SPDX-License-Identifier: Apache-2.0
// What every API of the box has in common: bodies of JSON read strictly, answers and errors of one form. For
// .cpp files: it brings Boost.JSON with it.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "agent/api/http_server.h"
#include "agent/base/result.h"

namespace sekisho::api {

// {"error":{"kind","what","remedy"}} with the status that the kind has, or another one.
[[nodiscard]] Response error_response(const Error& error);
[[nodiscard]] Response error_response(const Error& error, int status);

[[nodiscard]] Response json_response(const boost::json::value& body, int status = 200);

// 204, or the error.
[[nodiscard]] Response done_response(const Result<void>& result);

// 404 for a path that isn't there.
[[nodiscard]] Response unknown_path(const Request& request);
// 405; `allowed` are the methods, "GET, POST".
[[nodiscard]] Response unknown_method(const Request& request, const std::string& allowed);

// A part of a path or query without its percent signs; nothing if they are wrong.
[[nodiscard]] std::optional<std::string> decoded(std::string_view text);

// A request's body: an object with known members only (Failure::invalid).
[[nodiscard]] Result<boost::json::object> body_of(const Request& request,
                                                  std::initializer_list<std::string_view> known);

// A member that is a string of at most 500 bytes (Failure::invalid); empty if it is missing and not needed.
[[nodiscard]] Result<std::string> text_of(const boost::json::object& body, std::string_view name,
                                          bool needed);

}  // namespace sekisho::api
