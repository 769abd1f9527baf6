// SPDX-License-Identifier: Apache-2.0
// The agent's answers, printed for people. Missing members are shown as "-": an older agent must stay
// readable.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <string>

#include "agent/base/result.h"

namespace sekisho::cli {

// An error and its remedy, to `err`; as JSON to `out`, too.
void print_error(const Error& error, bool as_json, std::ostream& out, std::ostream& err);

void print_status(const boost::json::object& answer, std::ostream& out);
void print_interfaces(const boost::json::object& answer, std::ostream& out);
void print_grants(const boost::json::object& answer, std::ostream& out);
void print_grant(const boost::json::object& answer, std::ostream& out);
void print_exemptions(const boost::json::object& answer, std::ostream& out);
void print_blocked(const boost::json::object& answer, std::ostream& out);
void print_new_quarantine(const boost::json::object& answer, std::ostream& out);
void print_quarantines(const boost::json::object& answer, std::ostream& out);
// Of `logins list`.
void print_reporters(const boost::json::object& answer, std::ostream& out);
// Of `events`: a line for each.
void print_events(const boost::json::object& answer, std::ostream& out);
// Of `subscriber list`; `command` shows the next page once its first id stands behind it.
void print_subscribers(const boost::json::object& answer, const std::string& command, std::ostream& out);
void print_lockouts(const boost::json::object& answer, std::ostream& out);
// Of `subscriber show`.
void print_subscriber(const boost::json::object& answer, std::ostream& out);
// "3 began, 1 ended, 10 kept, 1 grant revoked".
void print_subscriber_import(const boost::json::object& answer, std::ostream& out);
void print_why(const boost::json::object& answer, std::ostream& out);
// Of `doctor`: {"ok","checks":[{"name","ok","detail","remedy"}]}.
void print_checks(const boost::json::object& answer, std::ostream& out);

// "granted 192.0.2.10/32 until 2026-11-24 01:02:03 UTC (10 m)".
void print_new_grant(const boost::json::object& answer, std::ostream& out);

}  // namespace sekisho::cli
