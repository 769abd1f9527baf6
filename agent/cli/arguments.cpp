// SPDX-License-Identifier: Apache-2.0
// Words of the command line become values.
#include "agent/cli/arguments.h"

#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"
#include "agent/cli/grammar.h"

namespace sekisho::cli {

namespace {

// Reads an address where one subscriber is meant.
Result<Address> one_address(const std::string& text) {
    auto address = parse_address(text);
    if (!address && text.find('/') != std::string::npos) {
        if (const auto prefix = parse_prefix(text)) {
            return fail(Failure::invalid, text + " is a prefix; one address is asked for",
                        "name an address in it, such as " + prefix->address.text());
        }
    }
    return address;
}

// Reads a grant's lifetime.
Result<std::chrono::seconds> lifetime(const std::string& text) {
    auto duration = parse_duration(text);
    if (duration && duration->count() == 0) {
        return fail(Failure::invalid, "a grant of no time is none", "write it like 90s, 10m or 1h30m");
    }
    return duration;
}

// A whole number and nothing else.
template <class Number>
std::optional<Number> whole(const std::string& text) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// Reads how many are to be shown.
Result<std::uint32_t> count(const std::string& text) {
    constexpr std::uint32_t most = 10'000;
    const auto number = whole<std::uint32_t>(text);
    if (!number || *number == 0 || *number > most) {
        return fail(Failure::invalid,
                    "\"" + printable(text) + "\" is no number from 1 to " + std::to_string(most),
                    "write it like 20");
    }
    return *number;
}

// Reads which listener is meant.
Result<std::uint32_t> listener_number(const std::string& text) {
    const auto number = whole<std::uint32_t>(text);
    if (!number || *number == 0) {
        return fail(Failure::invalid, "\"" + printable(text) + "\" is no number of a listener",
                    "they are numbered from 1, as the [[submission.listener]] stand in the configuration");
    }
    return *number;
}

// Reads the id of a subscriber's session.
Result<std::uint64_t> subscriber_id(const std::string& text) {
    const auto number = whole<std::uint64_t>(text);
    if (!number) {
        return fail(Failure::invalid, "\"" + printable(text) + "\" is no id of a subscriber",
                    "see `sekisho subscriber list`");
    }
    return *number;
}

Result<std::uint64_t> event_id(const std::string& text) {
    const auto number = whole<std::uint64_t>(text);
    if (!number || *number == 0) {
        return fail(Failure::invalid, "\"" + printable(text) + "\" is no id of an event",
                    "see \"id\" in `sekisho events --json`");
    }
    return *number;
}

// Reads a grant's budget.
Result<std::uint32_t> budget(const std::string& text) {
    const auto number = whole<std::uint32_t>(text);
    if (!number || *number > largest_budget) {
        return fail(
            Failure::invalid, "\"" + printable(text) + "\" is no number of connections",
            "write it like 50; 0 stands for any number, the largest is " + std::to_string(largest_budget));
    }
    return *number;
}

// Sets `value` to what `parse` makes of `text`.
template <class Value, class Parse>
Result<void> read(const std::string& text, Parse parse, Value& value) {
    auto parsed = parse(text);
    if (!parsed) {
        return std::unexpected(std::move(parsed.error()));
    }
    value = *parsed;
    return {};
}

// What belongs to lists that are shown page by page, and to sessions.
Result<void> read_page(const Words& words, Arguments& arguments) {
    arguments.empty = words.empty;
    arguments.nas = words.nas;
    if (!words.session.empty()) {
        if (auto ok = read(words.session, subscriber_id, arguments.session); !ok) {
            return ok;
        }
    }
    if (!words.before.empty()) {
        return read(words.before, event_id, arguments.before);
    }
    constexpr std::uint32_t page = 1'000;
    if (arguments.command == Command::grant_list) {
        arguments.count = page;
        return words.from.empty() ? Result<void>() : read(words.from, parse_prefix, arguments.after);
    }
    if (arguments.command == Command::subscriber_list) {
        arguments.count = page;
        return words.from.empty() ? Result<void>() : read(words.from, subscriber_id, arguments.from);
    }
    if (arguments.command == Command::subscriber_show) {
        const bool by_id =
            !words.name.empty() && words.name.find_first_not_of("0123456789") == std::string::npos;
        return by_id ? read(words.name, subscriber_id, arguments.id)
                     : read(words.name, one_address, arguments.address);
    }
    return {};
}

// The words read as values. An optional word that is empty was not given; a required one that is empty is a
// mistake.
Result<Arguments> values_of(const Words& words) {
    Arguments arguments;
    arguments.command = words.command;
    arguments.json = words.json;
    arguments.words = words.text;
    arguments.kill = words.kill;
    arguments.cool_down = !words.no_cool_down;
    arguments.name = words.name;
    arguments.discard = words.discard;
    arguments.older = words.older;
    arguments.yes = words.yes;
    arguments.reboot = words.reboot;
    arguments.replace = words.replace;
    arguments.no_start = words.no_start;
    arguments.print = words.print;
    arguments.force = words.force;
    if (words.recoverable || words.hashed) {
        arguments.recoverable = words.recoverable;
    }
    arguments.reporter = words.reporter;
    arguments.follow = words.follow;
    arguments.user = words.user;
    arguments.sender = words.sender;
    arguments.arrival = words.arrival;
    arguments.recipient = words.recipient;
    arguments.event = words.event;
    if (!words.socket.empty()) {
        arguments.socket = words.socket;
    }
    if (!words.config.empty()) {
        arguments.config = words.config;
    }
    const auto is = [&](auto... commands) { return ((arguments.command == commands) || ...); };
    Result<void> ok;
    if (is(Command::grant_add, Command::grant_show, Command::grant_revoke, Command::quarantine_add,
           Command::quarantine_remove, Command::why, Command::why_relay)) {
        ok = read(words.address, one_address, arguments.address);
    }
    if (ok && !words.destination.empty()) {
        ok = read(words.destination, one_address, arguments.destination);
    }
    if (ok && (is(Command::exempt_add, Command::exempt_remove) || !words.prefix.empty())) {
        ok = read(words.prefix, parse_prefix, arguments.prefix);
        arguments.within = arguments.prefix;
    }
    if (ok && !words.since.empty()) {
        ok = read(words.since, lifetime, arguments.since);
    }
    if (ok && !words.lifetime.empty()) {
        ok = read(words.lifetime, lifetime, arguments.lifetime);
    }
    if (ok) {
        ok = read_page(words, arguments);
    }
    if (ok && !words.count.empty()) {
        ok = read(words.count, count, arguments.count);
    }
    if (ok && !words.budget.empty()) {
        ok = read(words.budget, budget, arguments.budget);
    }
    if (ok && !words.listener.empty()) {
        ok = read(words.listener, listener_number, arguments.listener);
    }
    if (ok && words.scope) {
        ok = read(*words.scope, parse_scope, arguments.scope);
    }
    if (ok &&
        is(Command::user_add, Command::user_passwd, Command::user_remove, Command::user_stop,
           Command::user_resume) &&
        words.name.empty()) {
        ok = fail(Failure::invalid, "an empty name is none", "write it like anna or anna@example.net");
    }
    if (ok && is(Command::grant_import, Command::logins_test, Command::subscriber_import) &&
        words.name.empty()) {
        ok = fail(Failure::invalid, "an empty name is no file", "name a file, or - for standard input");
    }
    if (ok && is(Command::image_update) && words.name.empty()) {
        ok = fail(Failure::invalid, "an empty name is no update", "name a file, or an address with https://");
    }
    if (ok && is(Command::image_factory_reset) && !words.yes) {
        ok = fail(Failure::invalid, "this takes away configuration, users, and mail that waits",
                  "if that is what you want: --yes");
    }
    if (ok && is(Command::backup, Command::restore) && words.name.empty()) {
        ok = fail(Failure::invalid, "an empty name is no file", "name a file like edge1.tar.gz");
    }
    if (ok && is(Command::backup) && words.name == "-" && words.json) {
        ok = fail(Failure::invalid, "both the backup and JSON would go to standard output", "name a file");
    }
    if (ok && is(Command::restore) && !words.yes) {
        ok = fail(Failure::invalid, "this takes the place of the configuration, the users and the store",
                  "if that is what you want: --yes");
    }
    if (ok && is(Command::lockout_remove) && words.name.empty()) {
        ok = fail(Failure::invalid, "an empty name is nobody's", "see `sekisho lockout list`");
    }
    if (ok && is(Command::queue_show, Command::queue_hold, Command::queue_release, Command::queue_delete) &&
        words.name.empty()) {
        ok = fail(Failure::invalid, "an empty id is none", "see `sekisho queue list`");
    }
    if (!ok) {
        return std::unexpected(std::move(ok.error()));
    }
    if (arguments.destination && arguments.destination->family != arguments.address.family) {
        return fail(Failure::invalid, "the two addresses are of different families",
                    "give two IPv4 or two IPv6 addresses");
    }
    return arguments;
}

}  // namespace

std::variant<Arguments, Help, Error> read_arguments(std::span<const std::string> arguments) {
    Words words;
    CLI::App app("The command of the Sekisho checkpoint: who may reach port 25, and why not", "sekisho");
    try {
        set_up(app, words);
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
        return Help{help_of(app)};
    } catch (const CLI::CallForVersion& version) {
        return Help{std::string(version.what()) + "\n"};
    } catch (const CLI::ParseError& error) {
        const auto strangers = app.remaining(true);
        return Error{
            .kind = Failure::invalid,
            .what = strangers.empty() ? error.what() : "\"" + strangers.front() + "\" is not known here",
            .remedy = "see " + name_of(app) + " --help"};
    }
    auto values = values_of(words);
    if (!values) {
        return std::move(values.error());
    }
    return std::move(*values);
}

}  // namespace sekisho::cli
