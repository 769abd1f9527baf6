// SPDX-License-Identifier: Apache-2.0
// Boost.JSON, with errors as values.
#include "agent/logins/json_body.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

namespace sekisho::logins {

namespace json = boost::json;

Result<json::object> object_of(std::string_view body, std::size_t longest, std::size_t deepest,
                               json::storage_ptr memory) {
    if (body.size() > longest) {
        return fail(Failure::invalid, "the body is over " + std::to_string(longest) + " bytes");
    }
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = deepest;
    json::value value = json::parse({body.data(), body.size()}, error, std::move(memory), options);
    if (error) {
        return fail(Failure::invalid, "the body is not JSON: " + error.message());
    }
    if (!value.is_object()) {
        return fail(Failure::invalid, "the body is not a JSON object");
    }
    return std::move(value.get_object());
}

Result<std::string> text_of(const json::object& body, std::string_view name) {
    const json::value* value = body.if_contains(name);
    if (value == nullptr || value->is_null()) {
        return std::string();
    }
    if (!value->is_string() || value->get_string().size() > longest_text) {
        return fail(Failure::invalid, "\"" + std::string(name) + "\" is not a string of at most " +
                                          std::to_string(longest_text) + " bytes");
    }
    return std::string(value->get_string());
}

}  // namespace sekisho::logins
