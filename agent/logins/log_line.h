// SPDX-License-Identifier: Apache-2.0
// A line of a log as daemons, syslogd and journald write it: when, who, and what. Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string_view>

#include "agent/grants/grants.h"

namespace sekisho::logins {

// Longer lines are no login's: what is behind this is not looked at, and the line grants nothing.
constexpr std::size_t longest_line = 8192;

// The parts of a line; all but the numbers are parts of its text.
struct LogLine {
    std::string_view stamp;  // as it stands there, see time_of(); empty if there is none
    std::string_view host;   // on which it was written; empty if none is named
    // Who wrote it: "imapd", "postfix/smtpd". Of Dovecot its service: "pop3-login". Empty if none is named.
    std::string_view program;
    std::optional<std::uint32_t> pid;
    std::string_view message;  // without what stands before it, Dovecot's "Info: " too
};

// Knows classic and ISO time stamps (RFC 3164, 5424; with a blank for the T, too), `<priority>` before them,
// with and without a host behind them, `program:` and `program[pid]:`; and the whole header of RFC 5424. What
// begins otherwise is a message.
[[nodiscard]] LogLine read_line(std::string_view line);

// The same of a message whose program and process are known, as the journal knows them.
[[nodiscard]] LogLine line_of(std::string_view program, std::optional<std::uint32_t> pid,
                              std::string_view message);

// What a local time is; std::mktime() and its like. Nothing if there is none.
using FromLocal = std::function<std::optional<std::time_t>(std::tm)>;

// The time that a stamp says. A classic one has neither year nor zone: it is local, and of the year that
// brings it next to `now`. Nothing if it can't be read.
[[nodiscard]] std::optional<grants::WallTime> time_of(std::string_view stamp, grants::WallTime now,
                                                      const FromLocal& from_local);

}  // namespace sekisho::logins
