// SPDX-License-Identifier: Apache-2.0
// Patterns as RE2 expressions, tried on the lines of the programs that they are of.
#include "agent/logins/log_patterns.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <set>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "agent/logins/known_patterns.h"

namespace sekisho::logins {

namespace {

// Groups that a pattern may have; a second `user` is where the first one isn't.
constexpr std::array<std::string_view, 8> group_names = {"user",     "user2",     "address", "port",
                                                         "protocol", "mechanism", "tls",     "stamp"};
constexpr std::size_t most_groups = 16;
constexpr std::string_view nobody = "-";  // the program of a line that names none
// What is remembered at most: connections without a user, and programs' names.
constexpr std::size_t most_remembered = 10'000;
constexpr std::size_t most_programs = 1'000;
// A name of a user that is longer is none.
constexpr std::size_t longest_user = 255;
constexpr std::int64_t memory_of_one = std::int64_t{1} << 20;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
}

std::string expanded(std::string_view expression) {
    std::string text(expression);
    replace_all(text, "%A", "(?P<address>[0-9A-Fa-f.:]+)");
    replace_all(text, "%H", "[A-Za-z0-9._-]*");
    return text;
}

RE2::Options options() {
    RE2::Options chosen;
    chosen.set_encoding(RE2::Options::EncodingLatin1);  // a line may have any octets
    chosen.set_never_nl(true);
    chosen.set_log_errors(false);
    chosen.set_max_mem(memory_of_one);
    return chosen;
}

bool fits(std::string_view wanted, std::string_view program) {
    if (wanted.ends_with('*')) {
        return program.starts_with(wanted.substr(0, wanted.size() - 1));
    }
    return wanted == program;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> list;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        list.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return list;
}

bool is_once(std::string_view text, std::string_view part) {
    const std::size_t first = text.find(part);
    return first != std::string_view::npos && text.find(part, first + 1) == std::string_view::npos;
}

std::string protocol_of(std::string_view program) {
    for (const auto& [part, protocol] : {std::pair{"pop", "pop3"},
                                         {"imap", "imap"},
                                         {"sieve", "sieve"},
                                         {"submission", "smtp"},
                                         {"smtp", "smtp"}}) {
        if (program.contains(part)) {
            return protocol;
        }
    }
    return {};
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0 ? std::optional(port)
                                                                                 : std::nullopt;
}

std::optional<std::time_t> from_local(std::tm fields) {
    const std::time_t time = std::mktime(&fields);
    return time == -1 ? std::nullopt : std::optional(time);
}

std::string server_of(const LogLine& line) {
    return std::string(line.host) + ' ' + std::string(line.program) + '[' +
           std::to_string(line.pid.value_or(0)) + ']';
}

}  // namespace

struct LogPatterns::Pattern {
    Pattern(std::string own_name, const std::string& expression)
        : name(std::move(own_name)), regex(expression, options()) {
        for (const auto& [group, number] : regex.NamedCapturingGroups()) {
            const auto known_group = std::ranges::find(group_names, group);
            if (known_group != group_names.end()) {
                groups.at(static_cast<std::size_t>(known_group - group_names.begin())) = number;
            }
        }
    }

    [[nodiscard]] bool has(std::string_view group) const { return group_number(group) != 0; }
    // The number of a group; 0, which is the whole, if there is none.
    [[nodiscard]] int group_number(std::string_view group) const {
        return groups.at(
            static_cast<std::size_t>(std::ranges::find(group_names, group) - group_names.begin()));
    }

    std::string name;
    RE2 regex;
    std::array<int, group_names.size()> groups{};
    std::vector<std::string> programs;  // none: any
    Sight sight = Sight::login;
    std::string protocol;
    std::string once;
    std::size_t longest = longest_line;  // message that it is for
};

LogPatterns::LogPatterns() = default;
LogPatterns::LogPatterns(LogPatterns&&) noexcept = default;
LogPatterns& LogPatterns::operator=(LogPatterns&&) noexcept = default;
LogPatterns::~LogPatterns() = default;

grants::WallTime when_of(const SeenLogin& seen, TimeOf time, grants::WallTime now) {
    const auto stamp = time == TimeOf::stamp ? time_of(seen.stamp, now, from_local) : std::nullopt;
    return stamp.value_or(now);
}

grants::LoginEvent event_of(const SeenLogin& seen, const LinesConfig& config, grants::WallTime when) {
    return {.when = when,
            .user = seen.user,
            .address = seen.address,
            .port = seen.port,
            .protocol = seen.protocol,
            .mechanism = seen.mechanism,
            .tls = seen.tls,
            .reporter = config.name,
            .lifetime = config.lifetime};
}

std::vector<KnownPattern> known_patterns() {
    std::vector<KnownPattern> list;
    for (const Known& each : known) {
        if (std::ranges::none_of(list, [&each](const KnownPattern& one) { return one.name == each.name; })) {
            list.push_back({.name = each.name, .programs = each.programs});
        }
    }
    return list;
}

std::optional<Error> check_pattern(const LogPatternConfig& own) {
    const RE2 regex(own.expression, options());
    const auto error = [&own](const std::string& what, const std::string& remedy) {
        return Error{.kind = Failure::invalid,
                     .what = "the pattern \"" + printable(own.name) + "\" " + what,
                     .remedy = remedy};
    };
    if (!regex.ok()) {
        return error("is no expression: " + printable(regex.error()),
                     "see https://github.com/google/re2/wiki/Syntax; nothing in it may look ahead or back");
    }
    const auto& groups = regex.NamedCapturingGroups();
    if (!groups.contains("user") || !groups.contains("address")) {
        return error("has no groups named user and address",
                     "write them like (?P<user>[^ ]+) and (?P<address>[0-9a-f.:]+)");
    }
    for (const auto& [group, number] : groups) {
        if (std::ranges::find(group_names, group) == group_names.end()) {
            return error("has a group named " + printable(group) + ", which says nothing",
                         "name groups user, address, port, protocol, mechanism or tls; others need no name");
        }
    }
    if (static_cast<std::size_t>(regex.NumberOfCapturingGroups()) >= most_groups) {
        return error("has too many groups", "write those whose text isn't needed like (?:...)");
    }
    return std::nullopt;
}

Result<LogPatterns> LogPatterns::make(const std::vector<std::string>& wanted,
                                      const std::vector<LogPatternConfig>& own) {
    LogPatterns patterns;
    for (const std::string& name : wanted) {
        if (std::ranges::none_of(known, [&name](const Known& each) { return each.name == name; })) {
            return fail(Failure::invalid, "there is no pattern \"" + printable(name) + "\"",
                        "`sekisho logins patterns` lists them");
        }
    }
    for (const LogPatternConfig& each : own) {
        if (auto error = check_pattern(each)) {
            return std::unexpected(*error);
        }
        auto pattern = std::make_unique<Pattern>(each.name, each.expression);
        if (!each.program.empty()) {
            pattern->programs = {each.program};
        }
        patterns.patterns_.push_back(std::move(pattern));
    }
    for (const Known& each : known) {
        if (!wanted.empty() && std::ranges::find(wanted, each.name) == wanted.end()) {
            continue;
        }
        auto pattern = std::make_unique<Pattern>(std::string(each.name), expanded(each.expression));
        pattern->programs = words(each.programs);
        pattern->sight = each.sight;
        pattern->protocol = each.protocol;
        pattern->once = each.once;
        pattern->longest = longest_known;
        patterns.patterns_.push_back(std::move(pattern));
    }
    return patterns;
}

const std::vector<const LogPatterns::Pattern*>& LogPatterns::candidates(std::string_view program) {
    const std::string name(program.empty() ? nobody : program);
    if (const auto found = by_program_.find(name); found != by_program_.end()) {
        return found->second;
    }
    if (by_program_.size() >= most_programs) {  // somebody invents them
        by_program_.clear();
    }
    std::vector<const Pattern*>& list = by_program_[name];
    for (const auto& pattern : patterns_) {
        if (pattern->programs.empty() ||
            std::ranges::any_of(pattern->programs,
                                [&name](const std::string& wanted) { return fits(wanted, name); })) {
            list.push_back(pattern.get());
        }
    }
    return list;
}

std::optional<SeenLogin> LogPatterns::read(std::string_view text) {
    if (text.size() > longest_line) {
        return std::nullopt;
    }
    return read(read_line(text));
}

std::optional<SeenLogin> LogPatterns::read(const LogLine& line) {
    if (line.message.size() > longest_line) {
        return std::nullopt;
    }
    for (const Pattern* const pattern : candidates(line.program)) {
        if (auto seen = match(*pattern, line)) {
            return seen;
        }
    }
    return std::nullopt;
}

std::optional<SeenLogin> LogPatterns::match(const Pattern& pattern, const LogLine& line) {
    std::array<re2::StringPiece, most_groups> parts;
    const re2::StringPiece message(line.message.data(), line.message.size());
    const int count = pattern.regex.NumberOfCapturingGroups() + 1;
    if (line.message.size() > pattern.longest ||
        (!pattern.once.empty() && !is_once(line.message, pattern.once)) ||
        !pattern.regex.Match(message, 0, message.size(), RE2::ANCHOR_BOTH, parts.data(), count)) {
        return std::nullopt;
    }
    const auto group = [&](std::string_view name) {
        const int number = pattern.group_number(name);
        const re2::StringPiece& part = parts.at(static_cast<std::size_t>(number));
        return number == 0 || part.data() == nullptr ? std::string_view()
                                                     : std::string_view(part.data(), part.size());
    };
    std::optional<Address> address;
    if (pattern.has("address")) {
        const auto written = parse_address(group("address"));
        if (!written) {
            return std::nullopt;
        }
        address = *written;
    }
    if (pattern.sight == Sight::connection) {
        if (address) {
            remember(server_of(line), *address);
        }
        return std::nullopt;
    }
    if (pattern.sight == Sight::login && address && !is_of_connection(line, *address)) {
        return std::nullopt;
    }
    if (pattern.sight == Sight::named) {
        address = line.pid ? recall(server_of(line)) : std::nullopt;
    }
    const std::string_view user = group("user").empty() ? group("user2") : group("user");
    if (!address || user.empty() || user.size() > longest_user) {
        return std::nullopt;
    }
    const std::string tls = lowered(group("tls"));
    const std::string protocol = lowered(group("protocol"));
    return SeenLogin{.pattern = pattern.name,
                     .stamp = std::string(pattern.has("stamp") ? group("stamp") : line.stamp),
                     .user = std::string(user),
                     .address = *address,
                     .port = port_of(group("port")),
                     .protocol = !protocol.empty()           ? protocol
                                 : !pattern.protocol.empty() ? pattern.protocol
                                                             : protocol_of(line.program),
                     .mechanism = std::string(group("mechanism")),
                     .tls = tls.contains("tls") || tls.contains("ssl")};
}

void LogPatterns::remember(std::string server, const Address& address) {
    if (const auto known_one = by_server_.find(server); known_one != by_server_.end()) {
        connections_.erase(known_one->second);
        by_server_.erase(known_one);
    }
    connections_.push_front({.server = server, .address = address});
    by_server_[std::move(server)] = connections_.begin();
    if (connections_.size() > most_remembered) {
        by_server_.erase(connections_.back().server);
        connections_.pop_back();
    }
}

bool LogPatterns::is_of_connection(const LogLine& line, const Address& address) const {
    const auto found = line.pid ? by_server_.find(server_of(line)) : by_server_.end();
    return found == by_server_.end() || found->second->address == address;
}

std::optional<Address> LogPatterns::recall(const std::string& server) {
    const auto found = by_server_.find(server);
    if (found == by_server_.end()) {
        return std::nullopt;
    }
    const Address address = found->second->address;
    connections_.erase(found->second);
    by_server_.erase(found);
    return address;
}

}  // namespace sekisho::logins
