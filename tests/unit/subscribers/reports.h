// SPDX-License-Identifier: Apache-2.0
// What NASes report, for tests of the sessions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

using namespace std::chrono_literals;

inline Address address(std::string_view text) {
    return parse_address(text).value();
}

inline Prefix prefix(std::string_view text) {
    return parse_prefix(text).value();
}

constexpr std::chrono::sys_seconds midnight = std::chrono::sys_days(std::chrono::year(2026) / 9 / 21);

// So long after midnight; the box was started an hour before that.
inline grants::Now at(std::chrono::seconds after_midnight) {
    return {.boottime = 1h + after_midnight, .wall = midnight + after_midnight, .boot = "first"};
}

// A packet of NAS "bras1" that was made so long after midnight.
inline Report report(Status status, std::string session_id, std::chrono::seconds made,
                     const std::vector<std::string_view>& prefixes = {}) {
    Report report;
    report.request.status = status;
    report.request.session_id = std::move(session_id);
    report.request.nas_identifier = "bras1";
    report.request.event_time = midnight + made;
    for (const std::string_view text : prefixes) {
        report.request.prefixes.push_back(prefix(text));
    }
    report.source = address("198.51.100.1");
    return report;
}

inline Report start(std::string id, std::chrono::seconds made,
                    const std::vector<std::string_view>& prefixes = {}) {
    return report(Status::start, std::move(id), made, prefixes);
}

inline Report interim(std::string id, std::chrono::seconds made,
                      const std::vector<std::string_view>& prefixes = {}) {
    return report(Status::interim, std::move(id), made, prefixes);
}

inline Report stop(std::string id, std::chrono::seconds made) {
    return report(Status::stop, std::move(id), made);
}

}  // namespace sekisho::subscribers
