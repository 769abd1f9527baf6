// SPDX-License-Identifier: Apache-2.0
// What mail servers send as JSON, read within limits. Pure. For .cpp files: it brings Boost.JSON with it.
#pragma once

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho::logins {

// Longer names of users are no names, but an attack on our log.
constexpr std::size_t longest_text = 255;

// A body that is an object, at most so many bytes long and so deep; else Failure::invalid. It lives in
// `memory`.
[[nodiscard]] Result<boost::json::object> object_of(std::string_view body, std::size_t longest,
                                                    std::size_t deepest, boost::json::storage_ptr memory);

// Memory for what is read and let go within one call: on the stack, as long as it is little.
class BriefMemory {
public:
    [[nodiscard]] boost::json::storage_ptr get() { return &resource_; }

private:
    std::array<unsigned char, 4096> first_;
    boost::json::monotonic_resource resource_{first_.data(), first_.size()};
};

// A member that is a string of at most `longest_text` bytes; empty if it is missing or null. Failure::invalid
// for anything else.
[[nodiscard]] Result<std::string> text_of(const boost::json::object& body, std::string_view name);

}  // namespace sekisho::logins
