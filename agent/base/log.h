// SPDX-License-Identifier: Apache-2.0
// Log lines with names. Each has a level, a NAME that stays and can be looked up, a sentence, and fields; nothing that a
// stranger sent can end a line or begin another. To standard error, where journald or a terminal reads it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace sekisho::log {

struct Field {
    std::string_view key;
    std::string value;
};
using Fields = std::initializer_list<Field>;

// With journald behind standard error each line begins with its priority ("<6>"), else with the time.
void info(std::string_view name, std::string_view text, Fields fields = {});
void warning(std::string_view name, std::string_view text, Fields fields = {});
void error(std::string_view name, std::string_view text, Fields fields = {});

// The line's text without time and level: `NAME text key="value" ...`. Values are quoted where they hold blanks,
// quotes, control characters or nothing; what can't be printed is escaped.
[[nodiscard]] std::string line(std::string_view name, std::string_view text, Fields fields);

}  // namespace sekisho::log
