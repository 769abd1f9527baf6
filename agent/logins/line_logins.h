// SPDX-License-Identifier: Apache-2.0
// From lines of a log to logins, wherever the lines come from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/log_patterns.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// The patterns that a section asks for; `section` is its name in complaints: "login.log". Failure::invalid if
// one is none.
[[nodiscard]] Result<LogPatterns> patterns_of(const LinesConfig& config, std::string_view section);

// Reads lines and reports the logins among them.
class LineLogins {
public:
    // `config` must outlive the object.
    LineLogins(const LinesConfig& config, TimeOf time, LogPatterns patterns, OnLogin on_login);

    // Reports the login that the line says, if it is one.
    void take(std::string_view line);
    // The same of a line of which somebody else knows when it was written.
    void take(const LogLine& line, grants::WallTime when);

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const Counts& counts() const { return counts_; }
    // Lines that were read, since the start.
    [[nodiscard]] std::uint64_t lines() const { return lines_; }

private:
    void report(const SeenLogin& seen, grants::WallTime when);

    const LinesConfig& config_;
    TimeOf time_;
    LogPatterns patterns_;
    OnLogin on_login_;
    Counts counts_;
    std::uint64_t lines_ = 0;
};

}  // namespace sekisho::logins
