// SPDX-License-Identifier: Apache-2.0
// What mail servers send as JSON, read within limits. Pure. For .cpp files: it brings Boost.JSON with it.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho::logins {

// Longer names of users are no names, but an attack on our log.
constexpr std::size_t longest_text = 255;

// A body that is an object, at most so many bytes long and so deep; else Failure::invalid.
[[nodiscard]] Result<boost::json::object> object_of(std::string_view body, std::size_t longest,
                                                    std::size_t deepest);

// A member that is a string of at most `longest_text` bytes; empty if it is missing or null. Failure::invalid
// for anything else.
[[nodiscard]] Result<std::string> text_of(const boost::json::object& body, std::string_view name);

}  // namespace sekisho::logins
