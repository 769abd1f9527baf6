// SPDX-License-Identifier: Apache-2.0
// Members of an answer as text for a terminal: printable, whatever they hold. For .cpp files: it brings
// Boost.JSON with it.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <iosfwd>
#include <string>
#include <string_view>

#include "agent/cli/table.h"

namespace sekisho::cli {

// What stands for nothing.
inline constexpr const char* nothing = "-";

[[nodiscard]] std::string text_of(const boost::json::value& value);
// Of a member; "-" if there is none.
[[nodiscard]] std::string text_of(const boost::json::object& object, std::string_view key);
// "2026-11-24T01:02:03Z" as "2026-11-24 01:02:03 UTC"; anything else as it is.
[[nodiscard]] std::string moment_of(const boost::json::object& object, std::string_view key);
// Seconds as "1h30m".
[[nodiscard]] std::string duration_of(const boost::json::object& object, std::string_view key);
[[nodiscard]] bool true_of(const boost::json::object& object, std::string_view key);
// A member that is an object; null if there is none.
[[nodiscard]] const boost::json::object* member_of(const boost::json::object& object, std::string_view key);

// Calls `use` with each object of a member that is a list.
template <class Use>
void each(const boost::json::object& object, std::string_view key, Use use) {
    const boost::json::value* const list = object.if_contains(key);
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const boost::json::value& one : list->get_array()) {
        if (one.is_object()) {
            use(one.get_object());
        }
    }
}

// An empty line and the table, or nothing where it is empty.
void print_section(const Table& table, std::ostream& out);
// The table, or these words where it is empty.
void print_list(const Table& table, const char* if_empty, std::ostream& out);

}  // namespace sekisho::cli
