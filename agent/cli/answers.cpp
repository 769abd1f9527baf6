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
#include "agent/cli/members.h"
#include "agent/cli/table.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

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
    Table table({"NAME", "INDEX", "SIDE", "DRIVER", "ATTACHED", "CLOSED", "MODE", "FAST PATH", "PROGRAM",
                 "UNJUDGED", "PACKETS", "WHY"});
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
                   text_of(interface, "driver"), text_of(interface, "attached"), text_of(interface, "closed"),
                   text_of(interface, "mode"), text_of(interface, "fast_path"), text_of(interface, "program"),
                   unjudged_of(interface),
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
