// SPDX-License-Identifier: Apache-2.0
// What a line says becomes what a source tells the daemon.
#include "agent/logins/line_logins.h"

#include <chrono>
#include <utility>

namespace sekisho::logins {

Result<LogPatterns> patterns_of(const LinesConfig& config, std::string_view section) {
    auto patterns = LogPatterns::make(config.patterns, config.own);
    if (!patterns) {
        return fail(patterns.error().kind,
                    std::string(section) + " \"" + config.name + "\": " + patterns.error().what,
                    patterns.error().remedy);
    }
    return patterns;
}

LineLogins::LineLogins(const LinesConfig& config, TimeOf time, LogPatterns patterns, OnLogin on_login)
    : config_(config), time_(time), patterns_(std::move(patterns)), on_login_(std::move(on_login)) {}

void LineLogins::take(std::string_view line) {
    lines_++;
    const auto seen = patterns_.read(line);
    if (!seen) {
        return;
    }
    report(*seen, when_of(*seen, time_, std::chrono::system_clock::now()));
}

void LineLogins::take(const LogLine& line, grants::WallTime when) {
    lines_++;
    if (const auto seen = patterns_.read(line)) {
        report(*seen, when);
    }
}

void LineLogins::report(const SeenLogin& seen, grants::WallTime when) {
    const auto granted = on_login_(event_of(seen, config_, when));
    (granted ? counts_.granted : counts_.refused)++;
}

}  // namespace sekisho::logins
