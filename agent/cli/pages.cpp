// SPDX-License-Identifier: Apache-2.0
// Page after page.
#include "agent/cli/pages.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// As it is asked by; empty where there is no next page.
std::string cursor_of(const json::object& answer, const std::string& name) {
    const json::value* const cursor = answer.if_contains(name);
    if (cursor == nullptr || cursor->is_null() || (cursor->is_number() && *cursor == 0)) {
        return "";
    }
    return cursor->is_string() ? std::string(cursor->get_string()) : json::serialize(*cursor);
}

json::array taken_from(json::object& answer, const std::string& name) {
    json::value* const array = answer.if_contains(name);
    return array != nullptr && array->is_array() ? std::move(array->get_array()) : json::array();
}

}  // namespace

Result<Reply> ask_list(const api::Client& client, const List& list) {
    Reply all;
    json::array found;
    std::string cursor = list.begin;
    for (bool first = true; first || found.size() < list.count; first = false) {
        const std::string from = cursor.empty() ? "" : "&" + list.parameter + "=" + encoded(cursor);
        auto page = ask(client, {.method = "GET",
                                 .target = list.path + "?count=" + std::to_string(list.count - found.size()) +
                                           from + list.filters,
                                 .body = {}});
        if (!page) {
            return std::unexpected(page.error());
        }
        std::string next = cursor_of(page->object, list.cursor);
        json::array some = taken_from(page->object, list.name);
        found.insert(list.backwards ? found.begin() : found.end(), some.begin(), some.end());
        json::value place = std::move(page->object[list.cursor]);
        if (first) {
            all = std::move(*page);
        }
        all.object[list.cursor] = std::move(place);
        if (next.empty() || next == cursor) {
            break;
        }
        cursor = std::move(next);
    }
    all.object[list.name] = std::move(found);
    all.text = json::serialize(all.object);
    return all;
}

}  // namespace sekisho::cli
