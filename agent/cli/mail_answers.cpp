// SPDX-License-Identifier: Apache-2.0
// What sekisho-auth, sekisho-relay and sekisho-smtpd say.
#include "agent/cli/mail_answers.h"

#include <ostream>

#include "agent/cli/members.h"
#include "agent/cli/table.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// A notice has no sender (RFC 5321, 4.5.5).
std::string sender_of(const json::object& message) {
    const std::string sender = text_of(message, "sender");
    return sender == nothing ? "<>" : sender;
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

}  // namespace

void print_users(const json::object& answer, std::ostream& out) {
    Table table({"NAME", "HASH", "SCRAM", "RECOVERABLE"});
    each(answer, "users", [&table](const json::object& user) {
        table.add({text_of(user, "name"), text_of(user, "scheme"), text_of(user, "scram"),
                   text_of(user, "recoverable")});
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

}  // namespace sekisho::cli
