// SPDX-License-Identifier: Apache-2.0
// Moments and durations as text, and back.
#include "agent/base/time_text.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <utility>

#include "agent/base/printable.h"

namespace sekisho {
namespace {

struct Unit {
    char letter;
    std::int64_t seconds;
};

constexpr std::array<Unit, 4> units = {{{'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}}};
constexpr std::int64_t longest = 36'500LL * 86'400;

std::unexpected<Error> not_a_duration(std::string_view text) {
    return fail(Failure::invalid, "\"" + printable(text.substr(0, 64)) + "\" is not a duration",
                "write it like 90s, 10m, 1h30m or 7d");
}

}  // namespace

std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> moment) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(moment).time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), length};
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
    std::string_view rest = text;
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    while (!rest.empty()) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (error != std::errc{} || number < 0 || rest.front() == '-' || end == rest.data() + rest.size()) {
            return not_a_duration(text);
        }
        while (next_unit < units.size() && units.at(next_unit).letter != *end) {
            ++next_unit;
        }
        if (next_unit == units.size()) {
            return not_a_duration(text);
        }
        const std::int64_t seconds = units.at(next_unit++).seconds;
        if (number > longest / seconds || total + number * seconds > longest) {
            return fail(Failure::refused, "\"" + printable(text.substr(0, 64)) + "\" is too long a duration",
                        "give at most 36500d");
        }
        total += number * seconds;
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
    }
    if (text.empty()) {
        return not_a_duration(text);
    }
    return std::chrono::seconds(total);
}

std::string duration_text(std::chrono::seconds duration) {
    std::int64_t left = duration.count();
    std::string text;
    for (const auto& [letter, seconds] : units) {
        if (left >= seconds) {
            text += std::to_string(left / seconds) + letter;
            left %= seconds;
        }
    }
    return text.empty() ? "0s" : text;
}

std::string seconds_text(std::chrono::nanoseconds duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

}  // namespace sekisho
