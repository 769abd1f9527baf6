// SPDX-License-Identifier: Apache-2.0
// JSON to text. Everything that came from outside passes printable() on its way to the terminal.
#include "agent/cli/answers.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/time_text.h"
#include "agent/cli/table.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// What stands for nothing.
constexpr const char* nothing = "-";

std::string text_of(const json::value& value) {
    if (value.is_string()) {
        return value.get_string().empty() ? nothing : printable(std::string(value.get_string()));
    }
    if (value.is_null()) {
        return nothing;
    }
    if (value.is_bool()) {
        return value.get_bool() ? "yes" : "no";
    }
    if (value.is_array()) {
        std::string list;
        for (const json::value& one : value.get_array()) {
            list += (list.empty() ? "" : " ") + text_of(one);
        }
        return list.empty() ? nothing : list;
    }
    return printable(json::serialize(value));
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value == nullptr ? nothing : text_of(*value);
}

// "2026-11-24T01:02:03Z" as "2026-11-24 01:02:03 UTC"; anything else as it is.
std::string moment_of(const json::object& object, std::string_view key) {
    std::string moment = text_of(object, key);
    if (moment.size() == 20 && moment[10] == 'T' && moment.ends_with('Z')) {
        return moment.substr(0, 10) + " " + moment.substr(11, 8) + " UTC";
    }
    return moment;
}

std::string duration_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? duration_text(std::chrono::seconds(value->get_int64()))
                                                 : text_of(object, key);
}

bool true_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_bool() && value->get_bool();
}

// Calls `use` with each object of the list.
template <class Use>
void each(const json::object& object, std::string_view key, Use use) {
    const json::value* const list = object.if_contains(key);
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const json::value& one : list->get_array()) {
        if (one.is_object()) {
            use(one.get_object());
        }
    }
}

// A heading and its table, or nothing where the table is empty.
void print_section(const Table& table, std::ostream& out) {
    if (!table.empty()) {
        out << '\n';
        table.print(out);
    }
}

void print_list(const Table& table, const char* if_empty, std::ostream& out) {
    if (table.empty()) {
        out << if_empty << '\n';
    } else {
        table.print(out);
    }
}

// What a verdict means for the one who asks.
std::string verdict_words(const std::string& verdict) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> words{{
        {"pass", "passes"},
        {"monitor", "passes, because its pool only monitors; it is counted as one that would be blocked"},
        {"drop", "is dropped without an answer"},
        {"reset", "is refused with a TCP reset"},
        {"prohibit", "is refused with an ICMP message"},
    }};
    for (const auto& [name, meaning] : words) {
        if (name == verdict) {
            return std::string(meaning);
        }
    }
    return "gets the verdict " + verdict;
}

// A notice has no sender (RFC 5321, 4.5.5).
std::string sender_of(const json::object& message) {
    const std::string sender = text_of(message, "sender");
    return sender == nothing ? "<>" : sender;
}

// A member that is an object.
const json::object* member_of(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(name);
    return value != nullptr ? value->if_object() : nullptr;
}

// "17", or "17 of 200" where there is a limit.
std::string used_of(const json::object& sender, std::string_view name) {
    const json::object* const limits = member_of(sender, "limits");
    const bool limited = limits != nullptr && limits->contains(name);
    return text_of(sender, name) + (limited ? " of " + text_of(*limits, name) : "");
}

// When a recipient is tried again, or why not.
std::string next_of(const json::object& message, const json::object& recipient) {
    if (true_of(message, "held")) {
        return "held";
    }
    return true_of(message, "user_stopped") ? "user stopped" : moment_of(recipient, "next");
}

// "0", or "12 in 340 us".
std::string unjudged_of(const json::object& interface) {
    const std::string time = text_of(interface, "unjudged_microseconds");
    return text_of(interface, "unjudged_packets") +
           (time == nothing || time == "0" ? std::string() : " in " + time + " us");
}

}  // namespace

void print_error(const Error& error, bool as_json, std::ostream& out, std::ostream& err) {
    err << "sekisho: " << printable(error.what) << '\n';
    if (!error.remedy.empty()) {
        err << "  " << printable(error.remedy) << '\n';
    }
    if (as_json) {
        const json::object body = {
            {"error", {{"kind", failure_name(error.kind)}, {"what", error.what}, {"remedy", error.remedy}}}};
        out << json::serialize(body) << '\n';
    }
}

void print_status(const json::object& answer, std::ostream& out) {
    out << "sekishod (pid " << text_of(answer, "pid") << ") is " << text_of(answer, "state")
        << ", running since " << moment_of(answer, "since") << " (" << duration_of(answer, "uptime_seconds")
        << ")\n\n";
    Table numbers;
    for (const char* const name :
         {"interfaces", "grants", "exemptions", "quarantines", "cool_downs", "flows"}) {
        numbers.add({name == std::string_view("cool_downs") ? "cool-downs" : name, text_of(answer, name)});
    }
    numbers.print(out);

    Table pools({"POOL", "BLOCKED IS", "PREFIXES"});
    each(answer, "pools", [&](const json::object& pool) {
        pools.add({text_of(pool, "name"), text_of(pool, "action"), text_of(pool, "prefixes")});
    });
    out << (pools.empty() ? "\nno pools: nobody's port 25 is closed\n" : "");
    print_section(pools, out);

    Table counts({"VERDICT", "REASON", "PACKETS", "BYTES"});
    each(answer, "counts", [&](const json::object& count) {
        counts.add({text_of(count, "verdict"), text_of(count, "reason"), text_of(count, "packets"),
                    text_of(count, "bytes")});
    });
    print_section(counts, out);

    Table logins({"LOGINS FROM", "GRANTED", "REFUSED", "REJECTED"});
    each(answer, "logins", [&](const json::object& login) {
        logins.add({text_of(login, "name"), text_of(login, "granted"), text_of(login, "refused"),
                    text_of(login, "rejected")});
    });
    print_section(logins, out);
}

void print_interfaces(const json::object& answer, std::ostream& out) {
    Table table({"NAME", "INDEX", "SIDE", "DRIVER", "ATTACHED", "MODE", "FAST PATH", "PROGRAM", "UNJUDGED",
                 "PACKETS", "WHY"});
    Table counts({"INTERFACE", "VERDICT", "REASON", "PACKETS", "BYTES"});
    each(answer, "interfaces", [&](const json::object& interface) {
        std::int64_t packets = 0;
        each(interface, "counts", [&](const json::object& count) {
            const json::value* const number = count.if_contains("packets");
            packets += number != nullptr && number->is_int64() ? number->get_int64() : 0;
            counts.add({text_of(interface, "name"), text_of(count, "verdict"), text_of(count, "reason"),
                        text_of(count, "packets"), text_of(count, "bytes")});
        });
        const json::value* const counted = interface.if_contains("counts");
        table.add({text_of(interface, "name"), text_of(interface, "index"), text_of(interface, "side"),
                   text_of(interface, "driver"), text_of(interface, "attached"), text_of(interface, "mode"),
                   text_of(interface, "fast_path"), text_of(interface, "program"), unjudged_of(interface),
                   counted != nullptr && counted->is_array() ? std::to_string(packets) : nothing,
                   text_of(interface, "why")});
    });
    print_list(table, "no interfaces", out);
    print_section(counts, out);
}

void print_grants(const json::object& answer, std::ostream& out) {
    Table table({"KEY", "POOL", "LEFT", "EXPIRES", "SOURCE", "USER", "SESSION", "REASON"});
    each(answer, "grants", [&](const json::object& grant) {
        table.add({text_of(grant, "key"), text_of(grant, "pool"), duration_of(grant, "seconds_left"),
                   moment_of(grant, "expires"), text_of(grant, "source"), text_of(grant, "user"),
                   text_of(grant, "session"), text_of(grant, "reason")});
    });
    print_list(table, "no grants", out);
    if (const json::value* const next = answer.if_contains("next"); next != nullptr && next->is_string()) {
        out << "there are more: add --after " << text_of(answer, "next") << '\n';
    }
    Table cooling({"COOLS DOWN", "LEFT", "UNTIL", "CAUSE", "USER"});
    each(answer, "cool_downs", [&](const json::object& key) {
        cooling.add({text_of(key, "key"), duration_of(key, "seconds_left"), moment_of(key, "until"),
                     text_of(key, "cause"), text_of(key, "user")});
    });
    print_section(cooling, out);
}

void print_reporters(const json::object& answer, std::ostream& out) {
    Table table({"NAME", "KIND", "WHERE", "GRANTED", "REFUSED", "REJECTED", "LINES", "TROUBLE"});
    each(answer, "reporters", [&](const json::object& one) {
        table.add({text_of(one, "name"), text_of(one, "kind"), text_of(one, "where"), text_of(one, "granted"),
                   text_of(one, "refused"), text_of(one, "rejected"), text_of(one, "lines"),
                   text_of(one, "trouble")});
    });
    print_list(table, "nobody reports logins: see [login] in sekisho.toml(5)", out);
}

void print_events(const json::object& answer, std::ostream& out) {
    each(answer, "events", [&](const json::object& event) {
        out << moment_of(event, "when") << "  " << text_of(event, "name");
        const auto add = [&](const char* key, const char* word) {
            const std::string value = text_of(event, key);
            if (!value.empty() && value != "-" && value != "0") {
                out << (word[0] == '\0' ? "  " : " ") << word << value;
            }
        };
        add("key", "");
        add("user", "user=");
        add("protocol", "by=");
        add("reporter", "reporter=");
        add("rule", "rule=");
        add("session", "session=");
        add("by", "ordered-by=");
        if (text_of(event, "seconds") != "0") {
            out << " for=" << duration_of(event, "seconds");
        }
        const std::string text = text_of(event, "text");
        out << (text.empty() || text == "-" ? "" : ": " + text) << '\n';
    });
}

void print_grant(const json::object& answer, std::ostream& out) {
    Table table;
    table.add({"key", text_of(answer, "key")});
    table.add({"pool", text_of(answer, "pool")});
    table.add({"since", moment_of(answer, "since")});
    table.add({"expires", moment_of(answer, "expires")});
    table.add({"left", duration_of(answer, "seconds_left")});
    table.add({"source", text_of(answer, "source")});
    table.add({"user", text_of(answer, "user")});
    table.add({"session", text_of(answer, "session")});
    table.add({"reason", text_of(answer, "reason")});
    table.add({"scope", text_of(answer, "scope")});
    for (const auto& [name, member] : {std::pair("edge", "edge_until"), std::pair("relay", "relay_until")}) {
        if (const json::value* const until = answer.if_contains(member);
            until != nullptr && until->is_string()) {
            table.add({name, "until " + moment_of(answer, member)});
        }
    }
    const json::value* const counted = answer.if_contains("flows");
    if (counted == nullptr || counted->is_null()) {
        table.print(out);  // the kernel has nothing of it
        return;
    }
    const bool limited = text_of(answer, "budget") != "0";
    table.add({"budget", limited ? text_of(answer, "budget") + " connections, " +
                                       text_of(answer, "connections_left") + " left"
                                 : "any number of connections"});
    table.add({"open", text_of(answer, "flows") + " connections"});
    table.print(out);
}

void print_new_grant(const json::object& answer, std::ostream& out) {
    const json::value* const kept = answer.if_contains("kept");
    const bool is_kept = kept != nullptr && kept->is_bool() && kept->get_bool();
    out << (is_kept ? "nothing was changed: " : "granted ") << text_of(answer, "key")
        << (is_kept ? " has a grant until " : " until ") << moment_of(answer, "expires") << " ("
        << duration_of(answer, "seconds_left") << ")" << (is_kept ? ", which is never shortened" : "")
        << "\n";
}

void print_exemptions(const json::object& answer, std::ostream& out) {
    Table table({"PREFIX", "SINCE", "NOTE"});
    each(answer, "exemptions", [&](const json::object& exemption) {
        table.add({text_of(exemption, "prefix"), moment_of(exemption, "since"), text_of(exemption, "note")});
    });
    print_list(table, "no exemptions", out);
}

void print_blocked(const json::object& answer, std::ostream& out) {
    Table table({"KEY", "POOL", "PACKETS", "PER SECOND", "DESTINATIONS", "FIRST", "LAST", "QUARANTINED"});
    each(answer, "blocked", [&](const json::object& one) {
        const json::value* const rate = one.if_contains("per_second");
        std::ostringstream rounded;
        rounded << std::fixed << std::setprecision(1)
                << (rate != nullptr && rate->is_number() ? rate->to_number<double>() : 0.0);
        table.add({text_of(one, "key"), text_of(one, "pool"), text_of(one, "packets"), rounded.str(),
                   text_of(one, "destinations"), moment_of(one, "first"), moment_of(one, "last"),
                   text_of(one, "quarantined")});
    });
    print_list(table, "nobody is being blocked", out);
}

void print_new_quarantine(const json::object& answer, std::ostream& out) {
    out << text_of(answer, "key") << " is quarantined\n";
}

void print_quarantines(const json::object& answer, std::ostream& out) {
    Table table({"KEY", "SINCE", "NOTE"});
    each(answer, "quarantines", [&](const json::object& quarantine) {
        table.add({text_of(quarantine, "key"), moment_of(quarantine, "since"), text_of(quarantine, "note")});
    });
    print_list(table, "no quarantines", out);
}

void print_lockouts(const json::object& answer, std::ostream& out) {
    Table table({"KIND", "WHO", "TRIES", "HELD", "LEFT", "UNTIL"});
    each(answer, "lockouts", [&](const json::object& one) {
        table.add({text_of(one, "kind"), text_of(one, "who"), text_of(one, "tries"), text_of(one, "held"),
                   duration_of(one, "seconds_left"), moment_of(one, "until")});
    });
    print_list(table, "nobody is locked", out);
}

void print_subscribers(const json::object& answer, const std::string& command, std::ostream& out) {
    Table table({"ID", "USER", "ADDRESSES", "NAS", "SESSION", "SINCE", "CONTRACT"});
    std::size_t shown_here = 0;
    each(answer, "subscribers", [&](const json::object& one) {
        shown_here++;
        table.add({text_of(one, "id"), text_of(one, "user"), text_of(one, "prefixes"), text_of(one, "nas"),
                   text_of(one, "session"), moment_of(one, "since"), text_of(one, "contract")});
    });
    print_list(table, "no subscribers", out);
    if (const std::string next = text_of(answer, "next"); next != "0" && next != nothing) {
        out << '\n'
            << shown_here << " of " << text_of(answer, "in_all") << "; more: " << command << next << '\n';
    }
}

void print_subscriber(const json::object& answer, std::ostream& out) {
    Table table;
    table.add({"id", text_of(answer, "id")});
    table.add({"user", text_of(answer, "user")});
    table.add({"addresses", text_of(answer, "prefixes")});
    table.add({"nas", text_of(answer, "nas")});
    table.add({"session", text_of(answer, "session")});
    table.add({"calling station", text_of(answer, "calling_station")});
    table.add({"classes", text_of(answer, "classes")});
    table.add({"filters", text_of(answer, "filters")});
    table.add({"since", moment_of(answer, "since")});
    table.add({"last heard", moment_of(answer, "last_heard")});
    table.add({"told every", duration_of(answer, "interim_seconds")});
    table.add({"contract", text_of(answer, "contract")});
    table.print(out);
}

void print_subscriber_import(const json::object& answer, std::ostream& out) {
    const std::string revoked = text_of(answer, "revoked");
    out << text_of(answer, "began") << " began, " << text_of(answer, "ended") << " ended, "
        << text_of(answer, "kept") << " kept, " << revoked << (revoked == "1" ? " grant" : " grants")
        << " revoked\n";
}

void print_users(const json::object& answer, std::ostream& out) {
    Table table({"NAME", "HASH", "SCRAM"});
    each(answer, "users", [&table](const json::object& user) {
        table.add({text_of(user, "name"), text_of(user, "scheme"), text_of(user, "scram")});
    });
    if (table.empty()) {
        out << "no users\n";
    } else {
        table.print(out);
    }
    each(answer, "bad_lines", [&out](const json::object& line) {
        out << "line " << text_of(line, "line") << " of the user file names nobody: " << text_of(line, "what")
            << '\n';
    });
}

void print_senders(const json::object& answer, std::ostream& out) {
    Table table(
        {"USER", "HOUR", "DAY", "NEW IN HOUR", "NEW IN DAY", "ADDRESSES", "NETWORKS", "FAILED", "STOPPED"});
    each(answer, "senders", [&table](const json::object& sender) {
        const json::object* const stop = member_of(sender, "stopped");
        table.add({text_of(sender, "user"), used_of(sender, "hour"), used_of(sender, "day"),
                   used_of(sender, "new_hour"), used_of(sender, "new_day"), used_of(sender, "addresses_day"),
                   used_of(sender, "networks_day"), used_of(sender, "failed_day"),
                   stop == nullptr ? "" : moment_of(*stop, "since")});
    });
    print_list(table, "nobody has sent anything in the last 24 hours", out);
    if (true_of(answer, "more")) {
        out << "there are more\n";
    }
}

void print_sender(const json::object& answer, std::ostream& out) {
    Table facts;
    facts.add({"user", text_of(answer, "user")});
    facts.add({"recipients in an hour", used_of(answer, "hour")});
    facts.add({"recipients in a day", used_of(answer, "day")});
    facts.add({"new ones in an hour", used_of(answer, "new_hour")});
    facts.add({"new ones in a day", used_of(answer, "new_day")});
    facts.add({"addresses in a day", used_of(answer, "addresses_day")});
    facts.add({"networks in a day", used_of(answer, "networks_day")});
    facts.add({"failed in a day", used_of(answer, "failed_day")});
    if (const json::object* const stop = member_of(answer, "stopped")) {
        facts.add({"stopped", moment_of(*stop, "since") + " by " + text_of(*stop, "by")});
        facts.add({"reason", text_of(*stop, "reason")});
        facts.add({"messages held", text_of(answer, "held")});
    }
    facts.print(out);
}

void print_stop(const std::string& user, const json::object& answer, std::ostream& out) {
    out << user << " may send nothing any more; messages held: " << text_of(answer, "held")
        << "\nWhat they have opened on port 25 stays open: see `sekisho grant list --user " << user << "`\n";
    if (text_of(answer, "day") == "0" && text_of(answer, "held") == "0") {
        out << "Nobody of this name has sent anything in the last 24 hours: see `sekisho user usage`\n";
    }
}

void print_queue(const json::object& answer, std::ostream& out) {
    Table table({"ID", "RECEIVED", "SIZE", "SENDER", "RECIPIENT", "TRIES", "NEXT", "LAST ERROR"});
    each(answer, "messages", [&table](const json::object& message) {
        each(message, "recipients", [&](const json::object& recipient) {
            table.add({text_of(message, "id"), moment_of(message, "received"), text_of(message, "size"),
                       sender_of(message), text_of(recipient, "address"), text_of(recipient, "attempts"),
                       next_of(message, recipient), text_of(recipient, "last_error")});
        });
    });
    print_list(table, "nothing waits", out);
    if (const std::string more = text_of(answer, "more"); more != "0" && more != nothing) {
        out << "and " << more << " more messages\n";
    }
}

void print_message(const json::object& answer, std::ostream& out) {
    Table facts;
    facts.add({"id", text_of(answer, "id")});
    facts.add({"sender", sender_of(answer)});
    facts.add({"user", text_of(answer, "user")});
    facts.add({"client", text_of(answer, "client")});
    facts.add({"received", moment_of(answer, "received")});
    facts.add({"size", text_of(answer, "size")});
    facts.print(out);
    Table recipients({"RECIPIENT", "TRIES", "NEXT", "LAST ERROR"});
    each(answer, "recipients", [&](const json::object& recipient) {
        recipients.add({text_of(recipient, "address"), text_of(recipient, "attempts"),
                        next_of(answer, recipient), text_of(recipient, "last_error")});
    });
    print_section(recipients, out);
}

void print_why(const json::object& answer, std::ostream& out) {
    const std::string destination = text_of(answer, "destination");
    out << "A connection from " << text_of(answer, "address") << " to port 25"
        << (destination == nothing ? "" : " of " + destination) << ' '
        << verdict_words(text_of(answer, "verdict"))
        << ".\nThe rule that decides: " << text_of(answer, "reason") << "\n\n";
    Table table;
    each(answer, "steps", [&](const json::object& step) {
        table.add({true_of(step, "matched") ? "->" : "  ", text_of(step, "rule"), text_of(step, "detail")});
    });
    table.print(out);
}

void print_why_relay(const json::object& answer, std::ostream& out) {
    const json::value* const listener = answer.if_contains("listener");
    const json::object at =
        listener != nullptr && listener->is_object() ? listener->get_object() : json::object();
    const std::string user = text_of(answer, "user");
    const std::string reply = text_of(answer, "reply");
    out << "Mail from " << text_of(answer, "from") << " to " << text_of(answer, "to") << " ("
        << text_of(answer, "direction") << "),\nof " << text_of(answer, "client") << ", where "
        << (user == nothing ? "nobody has logged in" : user + " has logged in") << ",\nat listener "
        << text_of(at, "number") << ", " << text_of(at, "address") << " port " << text_of(at, "port")
        << " (tls = " << text_of(at, "tls")
        << "): " << (text_of(answer, "verdict") == "accept" ? "is accepted" : "is refused") << ".\n"
        << (reply == nothing ? "" : "The client reads: " + reply + "\n")
        << "The rule that decides: " << text_of(answer, "rule") << "\n\n";
    Table table;
    each(answer, "rules", [&](const json::object& rule) {
        table.add({text_of(rule, "opinion") == "none" ? "  " : "->", text_of(rule, "rule"),
                   text_of(rule, "detail")});
    });
    table.print(out);
}

void print_checks(const json::object& answer, std::ostream& out) {
    Table table;
    std::size_t failed = 0;
    each(answer, "checks", [&](const json::object& check) {
        const bool ok = true_of(check, "ok");
        failed += ok ? 0 : 1;
        table.add({ok ? "ok" : "BAD", text_of(check, "name"), text_of(check, "detail")});
        if (const std::string remedy = text_of(check, "remedy"); !ok && remedy != nothing) {
            table.add({"", "", "remedy: " + remedy});
        }
    });
    table.print(out);
    out << (failed == 0 ? "all is well"
                        : std::to_string(failed) + (failed == 1 ? " check" : " checks") + " failed")
        << '\n';
}

}  // namespace sekisho::cli
