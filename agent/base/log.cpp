// SPDX-License-Identifier: Apache-2.0
// The lines, by spdlog.
#include "agent/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

#include "agent/base/printable.h"

namespace sekisho::log {

namespace {

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("sekisho", std::make_shared<spdlog::sinks::stderr_sink_st>());
        // journald sets the time itself and takes the priority from the front of the line (sd-daemon(3)).
        made->set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                          spdlog::pattern_time_type::utc);
        made->flush_on(spdlog::level::info);
        return made;
    }();
    return *instance;
}

void write(spdlog::level::level_enum level, int priority, std::string_view word, std::string_view name,
           std::string_view text, Fields fields) {
    static const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
    std::string front = journal ? "<" + std::to_string(priority) + ">" : std::string(word) + " ";
    logger().log(level, "{}", front + line(name, text, fields));
}

std::string quoted(const std::string& value) {
    const std::string safe = printable(value);
    if (!safe.empty() && safe.find_first_of(" \"=") == std::string::npos) {
        return safe;
    }
    std::string result = "\"";
    for (const char character : safe) {
        if (character == '"') {
            result += '\\';
        }
        result += character;
    }
    return result + "\"";
}

}  // namespace

void info(std::string_view name, std::string_view text, Fields fields) {
    write(spdlog::level::info, 6, "info", name, text, fields);
}

void warning(std::string_view name, std::string_view text, Fields fields) {
    write(spdlog::level::warn, 4, "warning", name, text, fields);
}

void error(std::string_view name, std::string_view text, Fields fields) {
    write(spdlog::level::err, 3, "error", name, text, fields);
}

std::string line(std::string_view name, std::string_view text, Fields fields) {
    std::string result = std::string(name) + " " + std::string(text);
    for (const Field& field : fields) {
        result += " " + std::string(field.key) + "=" + quoted(field.value);
    }
    return result;
}

}  // namespace sekisho::log
