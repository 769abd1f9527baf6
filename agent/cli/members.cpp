// SPDX-License-Identifier: Apache-2.0
// Everything that came from outside passes printable() on its way to the terminal.
#include "agent/cli/members.h"

#include <boost/json/serialize.hpp>
#include <chrono>
#include <ostream>

#include "agent/base/printable.h"
#include "agent/base/time_text.h"

namespace sekisho::cli {

namespace json = boost::json;

std::string text_of(const json::value& value) {
    if (value.is_string()) {
        return value.get_string().empty() ? nothing : printable(std::string(value.get_string()));
    }
    if (value.is_null()) {
        return nothing;
    }
    if (value.is_bool()) {
        return value.get_bool() ? "yes" : "no";
    }
    if (value.is_array()) {
        std::string list;
        for (const json::value& one : value.get_array()) {
            list += (list.empty() ? "" : " ") + text_of(one);
        }
        return list.empty() ? nothing : list;
    }
    return printable(json::serialize(value));
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value == nullptr ? nothing : text_of(*value);
}

std::string moment_of(const json::object& object, std::string_view key) {
    std::string moment = text_of(object, key);
    if (moment.size() == 20 && moment[10] == 'T' && moment.ends_with('Z')) {
        return moment.substr(0, 10) + " " + moment.substr(11, 8) + " UTC";
    }
    return moment;
}

std::string duration_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? duration_text(std::chrono::seconds(value->get_int64()))
                                                 : text_of(object, key);
}

bool true_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_bool() && value->get_bool();
}

const json::object* member_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

void print_section(const Table& table, std::ostream& out) {
    if (!table.empty()) {
        out << '\n';
        table.print(out);
    }
}

void print_list(const Table& table, const char* if_empty, std::ostream& out) {
    if (table.empty()) {
        out << if_empty << '\n';
    } else {
        table.print(out);
    }
}

}  // namespace sekisho::cli
