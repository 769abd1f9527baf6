// SPDX-License-Identifier: Apache-2.0
// Which lines of a log are logins. Pure but for what it remembers of connections whose user comes in another
// line.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/rules.h"
#include "agent/logins/log_line.h"

namespace sekisho::logins {

// What a line says of a login.
struct SeenLogin {
    std::string pattern;  // by which it was known: "dovecot", or an operator's own name
    std::string stamp;    // as it stands there, see time_of()
    std::string user;
    Address address;
    std::optional<std::uint16_t> port;
    std::string protocol;   // "pop3", "imap", "smtp", "sieve"; may be empty
    std::string mechanism;  // may be empty
    bool tls = false;
};

// From when a login's time runs: from the line's stamp, so that what was held up on its way opens nothing for
// who has the address by now; or from the line's arrival, where stamps can't be believed.
enum class TimeOf : std::uint8_t { stamp, arrival };

// When the login was, if its line is read now. A stamp that can't be read means now; one without a zone is of
// this machine's.
[[nodiscard]] grants::WallTime when_of(const SeenLogin& seen, TimeOf time, grants::WallTime now);

// What a section's reader makes of a login that a line of that time tells of.
[[nodiscard]] grants::LoginEvent event_of(const SeenLogin& seen, const LinesConfig& config,
                                          grants::WallTime when);

// A pattern that is known without being told.
struct KnownPattern {
    std::string_view name;
    std::string_view programs;  // a list; "*" stands for anything
};

// All of them, in the order in which they are tried.
[[nodiscard]] std::vector<KnownPattern> known_patterns();

// How an expression must be written, or nothing if it is right.
[[nodiscard]] std::optional<Error> check_pattern(const LogPatternConfig& own);

// No line takes longer than its length demands (RE2), none is looked at behind longest_line, and a user's
// name can't make another line's login of it: what says who may is bound to its place at the line's beginning
// or end, and a line in which it could be two things is nobody's login.
class LogPatterns {
public:
    // With those of `known` (names; empty: all). Failure::invalid for a name or expression that is none.
    [[nodiscard]] static Result<LogPatterns> make(const std::vector<std::string>& known,
                                                  const std::vector<LogPatternConfig>& own);

    LogPatterns(LogPatterns&&) noexcept;
    LogPatterns& operator=(LogPatterns&&) noexcept;
    ~LogPatterns();

    // What the line says, if it is a login.
    [[nodiscard]] std::optional<SeenLogin> read(std::string_view line);
    [[nodiscard]] std::optional<SeenLogin> read(const LogLine& line);

private:
    struct Pattern;
    // The address of a connection, by who serves it, until its user is named; the oldest are forgotten.
    struct Connection {
        std::string server;
        Address address;
    };

    LogPatterns();
    // The patterns to try on a program's lines.
    const std::vector<const Pattern*>& candidates(std::string_view program);
    [[nodiscard]] std::optional<SeenLogin> match(const Pattern& pattern, const LogLine& line);
    void remember(std::string server, const Address& address);
    // Whether it is the one that the line's process has told of before, if it has: where the line has none, a
    // user's name may look like one.
    [[nodiscard]] bool is_of_connection(const LogLine& line, const Address& address) const;
    [[nodiscard]] std::optional<Address> recall(const std::string& server);

    std::vector<std::unique_ptr<Pattern>> patterns_;
    std::unordered_map<std::string, std::vector<const Pattern*>> by_program_;
    std::list<Connection> connections_;  // the youngest first
    std::unordered_map<std::string, std::list<Connection>::iterator> by_server_;
};

}  // namespace sekisho::logins
