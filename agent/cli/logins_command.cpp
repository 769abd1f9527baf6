// SPDX-License-Identifier: Apache-2.0
// Logs, read as the agent would read them.
#include "agent/cli/logins_command.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"
#include "agent/cli/answers.h"
#include "agent/cli/table.h"
#include "agent/grants/grants.h"
#include "agent/grants/rules.h"
#include "agent/logins/log_patterns.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// The section whose patterns are meant: the one of this reporter; else the one that reads this file; else the
// only one, if there is one. Nothing: all patterns that are known.
Result<const LinesConfig*> section_of(const Config& config, const Arguments& arguments) {
    const auto sections = line_sections(config);
    if (arguments.reporter.empty()) {
        const auto reads = std::ranges::find_if(
            config.logs, [&arguments](const LogConfig& each) { return each.file == arguments.name; });
        if (reads != config.logs.end()) {
            return &*reads;
        }
        return sections.size() == 1 ? sections.front().second : nullptr;
    }
    const auto named = std::ranges::find_if(
        sections, [&arguments](const auto& each) { return each.second->name == arguments.reporter; });
    if (named == sections.end()) {
        return fail(Failure::not_found,
                    "no section that reads lines has the name " + printable(arguments.reporter),
                    "see `sekisho config check`, or leave --reporter out");
    }
    return named->second;
}

// Only a listener for syslog may be told not to believe stamps.
logins::TimeOf time_of(const Config& config, const LinesConfig* section) {
    const bool arrival = std::ranges::any_of(
        config.syslog, [section](const SyslogConfig& each) { return &each == section && !each.from_stamp; });
    return arrival ? logins::TimeOf::arrival : logins::TimeOf::stamp;
}

// What such a login would open if it were reported at that time.
Result<std::string> opened_by(const Config& config, const grants::LoginEvent& login, grants::WallTime now) {
    const grants::Terms terms = grants::terms_of(config.grants, login);
    const auto request = grants::request_of(terms, login);
    if (!request) {
        return std::unexpected(request.error());
    }
    grants::Grants grants(config);
    grants::Actions actions;
    const auto opened = grants.open(*request, {.boottime = {}, .wall = now, .boot = {}}, actions);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    return grants::opened_things(terms.scope) + " for " + (*opened)->key.text() + " of pool " +
           (*opened)->pool + " for " +
           duration_text(std::chrono::ceil<std::chrono::seconds>((*opened)->expires)) +
           (terms.rule.empty() ? "" : " (rule \"" + terms.rule + "\")");
}

// What the agent would do if it read the line now. Of one that comes too late also what it did in time:
// whoever tries patterns on an old log wants to know.
std::string consequence(const Config& config, const LinesConfig* section, const logins::SeenLogin& seen,
                        grants::WallTime now) {
    const grants::WallTime when = logins::when_of(seen, time_of(config, section), now);
    const auto login = logins::event_of(seen, section != nullptr ? *section : LinesConfig(), when);
    const auto opened = opened_by(config, login, now);
    if (opened) {
        return "opens " + *opened;
    }
    const auto in_time = when < now ? opened_by(config, login, when) : opened;
    return "refused: " + opened.error().what + (in_time ? "; in time it would have opened " + *in_time : "");
}

struct Found {
    std::uint64_t line = 0;
    logins::SeenLogin login;
    std::string then;
};

struct Reading {
    std::uint64_t lines = 0;
    std::vector<Found> found;
};

Reading read_log(std::istream& in, const Config& config, const LinesConfig* section,
                 logins::LogPatterns& patterns) {
    Reading reading;
    const grants::WallTime now = std::chrono::system_clock::now();
    for (std::string line; std::getline(in, line);) {
        reading.lines++;
        if (auto seen = patterns.read(line)) {
            std::string then = consequence(config, section, *seen, now);
            reading.found.push_back(
                {.line = reading.lines, .login = std::move(*seen), .then = std::move(then)});
        }
    }
    return reading;
}

void print_json(const Reading& reading, std::ostream& out) {
    json::array list;
    for (const Found& each : reading.found) {
        list.push_back({{"line", each.line},
                        {"stamp", printable(each.login.stamp)},
                        {"pattern", each.login.pattern},
                        {"user", printable(each.login.user)},
                        {"address", each.login.address.text()},
                        {"port", each.login.port ? json::value(*each.login.port) : json::value()},
                        {"protocol", printable(each.login.protocol)},
                        {"mechanism", printable(each.login.mechanism)},
                        {"tls", each.login.tls},
                        {"then", each.then}});
    }
    out << json::serialize(json::object{{"lines", reading.lines}, {"logins", std::move(list)}}) << '\n';
}

void print_table(const Reading& reading, std::ostream& out) {
    Table table({"LINE", "TIME", "USER", "ADDRESS", "PROTOCOL", "TLS", "PATTERN", "THEN"});
    for (const Found& each : reading.found) {
        table.add({std::to_string(each.line), printable(each.login.stamp), printable(each.login.user),
                   each.login.address.text(), printable(each.login.protocol), each.login.tls ? "yes" : "no",
                   each.login.pattern, each.then});
    }
    if (!table.empty()) {
        table.print(out);
    }
    out << reading.found.size() << " logins in " << reading.lines << " lines\n";
}

}  // namespace

int logins_test(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto fail_with = [&](const Error& error) {
        print_error(error, arguments.json, out, err);
        return 1;
    };
    const auto config = load_config(arguments.config);
    if (!config) {
        err << text(arguments.config, config.error());
        return 2;
    }
    const auto section = section_of(*config, arguments);
    if (!section) {
        return fail_with(section.error());
    }
    auto patterns = *section != nullptr ? logins::LogPatterns::make((*section)->patterns, (*section)->own)
                                        : logins::LogPatterns::make({}, {});
    if (!patterns) {
        return fail_with(patterns.error());
    }
    std::ifstream opened;
    if (arguments.name != "-") {
        opened.open(arguments.name, std::ios::binary);
    }
    std::istream& in = arguments.name == "-" ? std::cin : opened;
    if (!in) {
        return fail_with({.kind = Failure::unavailable,
                          .what = "can't open " + printable(arguments.name),
                          .remedy = "name a log that you may read, or - for standard input"});
    }
    const Reading reading = read_log(in, *config, *section, *patterns);
    if (arguments.json) {
        print_json(reading, out);
    } else {
        print_table(reading, out);
    }
    return reading.found.empty() ? 1 : 0;
}

int logins_patterns(const Arguments& arguments, std::ostream& out) {
    if (arguments.json) {
        json::array list;
        for (const logins::KnownPattern& each : logins::known_patterns()) {
            list.push_back({{"name", each.name}, {"programs", each.programs}});
        }
        out << json::serialize(json::object{{"patterns", std::move(list)}}) << '\n';
        return 0;
    }
    Table table({"NAME", "LINES OF"});
    for (const logins::KnownPattern& each : logins::known_patterns()) {
        table.add(
            {std::string(each.name), each.programs == "-" ? "who names nobody" : std::string(each.programs)});
    }
    table.print(out);
    return 0;
}

}  // namespace sekisho::cli
