// SPDX-License-Identifier: Apache-2.0
// The steps, in their order: nothing that can't be undone stands before the last question.
#include "agent/cli/setup_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/base/privilege.h"
#include "agent/cli/answers.h"
#include "agent/cli/cli.h"
#include "agent/cli/setup_certificate.h"
#include "agent/cli/setup_files.h"
#include "agent/cli/user_command.h"
#include "agent/cli/user_password.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// What came of it.
struct SetupOutcome {
    std::filesystem::path written;
    std::optional<std::filesystem::path> kept;  // what stood there before
    bool submission = false;
    bool certificate_made = false;
    std::vector<std::string> done;      // commands
    std::vector<std::string> left;      // commands that are to be typed
    std::string user;                   // who may log in now
    std::vector<std::string> warnings;  // what won't work as it is
    std::optional<Error> trouble;       // what the rest failed by
};

bool is_there(const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
}

// Whether the daemons are started at the end.
bool starts_daemons(const Arguments& arguments, const SetupPlaces& places) {
    return !arguments.no_start && arguments.config == places.units_read && is_there(places.systemd);
}

// A configuration that somebody has worked on is told of before the first question.
Result<void> look_at_old(const Arguments& arguments, const SetupPlaces& places, std::ostream& talk) {
    const auto old = contents_of(arguments.config);
    if (!old) {
        return std::unexpected(old.error());
    }
    const auto example = contents_of(places.example);
    if (!*old || (example && *old == *example)) {
        return {};
    }
    const std::string file = arguments.config.string();
    if (!arguments.replace) {
        return fail(Failure::conflict, file + " is a configuration already, not the installed example",
                    "change it by hand, or let `sekisho setup --replace` put a new one in its place and keep "
                    "this one beside it");
    }
    talk << printable(file)
         << "\nis a configuration already. A new one will take its place; this one stays\n"
            "beside it, with the date behind its name.\n\n";
    return {};
}

Result<SetupFacts> facts_of(const Arguments& arguments, const SetupPlaces& places) {
    const bool mail = user_number(places.mail_user).has_value();
    const bool certificate = is_there(places.certificate);
    if (mail && certificate != is_there(places.key)) {
        const auto& there = certificate ? places.certificate : places.key;
        const auto& missing = certificate ? places.key : places.certificate;
        return fail(Failure::conflict, there.string() + " is there, and " + missing.string() + " isn't",
                    "put the missing one there, too, or move the other one away");
    }
    return SetupFacts{.interfaces = interfaces_in(places.interfaces),
                      .mail_installed = mail,
                      .certificate_there = certificate,
                      .users_wanted = starts_daemons(arguments, places) || auth_answers(arguments)};
}

// All questions, and the last one: shall that be written?
Result<SetupPlan> plan_of(const Arguments& arguments, const SetupFacts& facts, SetupConsole& console) {
    auto plan = ask_setup(facts, console);
    if (!plan) {
        return plan;
    }
    console.out << "\nThe configuration\n\n" << setup_toml(plan->answers) << '\n';
    const auto yes = ask_yes(console, "Write this to " + printable(arguments.config.string()) + "?", true);
    if (yes && *yes) {
        return plan;
    }
    wipe(plan->user.password);
    return yes ? fail(Failure::refused, "nothing was written", "`sekisho setup` begins anew")
               : std::unexpected(yes.error());
}

// The configuration comes last: nobody finds one that names a certificate that isn't there.
Result<SetupOutcome> write_all_of(const Arguments& arguments, const SetupPlaces& places,
                                  const SetupFacts& facts, const SetupAnswers& answers) {
    SetupOutcome outcome;
    outcome.submission = !answers.hostname.empty();
    if (outcome.submission && !facts.certificate_there) {
        if (auto made = write_self_signed(answers.hostname, places.certificate, places.key, places.mail_user);
            !made) {
            return std::unexpected(made.error());
        }
        outcome.certificate_made = true;
    }
    struct stat key{};
    if (outcome.submission && ::stat(places.key.c_str(), &key) == 0 && !may_read(places.mail_user, key)) {
        outcome.warnings.push_back(places.mail_user + " can't read the key: chgrp " + places.mail_user + " " +
                                   places.key.string() + " && chmod 0640 " + places.key.string());
    }
    const auto before = load_config(arguments.config);
    if (before && !before->submission.listeners.empty() && !outcome.submission) {
        outcome.warnings.emplace_back(
            "there is no submission server any more; if it runs: systemctl disable --now sekisho-smtpd "
            "sekisho-smtpd.socket");
    }
    const auto kept = replace_config(arguments.config, setup_toml(answers));
    if (!kept) {
        return std::unexpected(kept.error());
    }
    outcome.written = arguments.config;
    outcome.kept = *kept;
    return outcome;
}

// Starts the daemons, or says how; from the first that can't be started on it only says how.
void start_daemons(const Arguments& arguments, const SetupPlaces& places, SetupOutcome& outcome) {
    if (arguments.config != places.units_read) {
        outcome.warnings.push_back("no daemon is started: the units read " + places.units_read.string());
        return;
    }
    bool now = starts_daemons(arguments, places);
    for (const auto& words : start_commands(outcome.submission)) {
        if (now) {
            if (auto run = run_systemctl(places.systemctl, words); !run) {
                outcome.trouble = run.error();
                now = false;
            }
        }
        (now ? outcome.done : outcome.left).push_back(command_text(words));
    }
}

// What sekisho-auth doesn't take as a name or a password is asked for again.
Result<void> add_first_user(const Arguments& arguments, SetupConsole& console, SetupUser& user) {
    for (;;) {
        Arguments order = arguments;
        order.command = Command::user_add;
        order.name = user.name;
        const auto reply = send_password(order, user.password);
        wipe(user.password);
        if (reply) {
            return {};
        }
        if (reply.error().kind != Failure::invalid) {
            return std::unexpected(reply.error());
        }
        show_rejection(console, reply.error());
        if (auto again = ask_user(console, user); !again) {
            return again;
        }
        if (user.name.empty()) {
            return {};
        }
    }
}

void make_users(const Arguments& arguments, SetupConsole& console, SetupUser& user, SetupOutcome& outcome) {
    if (!outcome.submission) {
        return;
    }
    if (!user.name.empty() && !outcome.trouble) {
        if (auto added = add_first_user(arguments, console, user); !added) {
            outcome.trouble = added.error();
        } else {
            outcome.user = user.name;
        }
    }
    if (outcome.user.empty()) {
        outcome.left.push_back("sekisho user add " + (user.name.empty() ? "NAME" : user.name));
    }
}

json::array json_strings(const std::vector<std::string>& words) {
    json::array array;
    for (const std::string& word : words) {
        array.emplace_back(word);
    }
    return array;
}

json::object setup_result(const SetupOutcome& outcome) {
    json::object result = {{"written", outcome.written.string()},
                           {"kept", nullptr},
                           {"submission", outcome.submission},
                           {"certificate_made", outcome.certificate_made},
                           {"done", json_strings(outcome.done)},
                           {"left", json_strings(outcome.left)},
                           {"user", nullptr},
                           {"warnings", json_strings(outcome.warnings)}};
    if (outcome.kept) {
        result["kept"] = outcome.kept->string();
    }
    if (!outcome.user.empty()) {
        result["user"] = outcome.user;
    }
    if (const auto& trouble = outcome.trouble) {
        result["error"] = json::object{
            {"kind", failure_name(trouble->kind)}, {"what", trouble->what}, {"remedy", trouble->remedy}};
    }
    return result;
}

void print_setup(const SetupOutcome& outcome, const SetupPlaces& places, std::ostream& out) {
    out << '\n' << printable(outcome.written.string()) << " is written";
    if (outcome.kept) {
        out << "; what stood there is kept as\n" << printable(outcome.kept->string());
    }
    out << ".\n";
    if (outcome.certificate_made) {
        out << "A certificate that nobody has signed is in\n  " << places.certificate.string()
            << "\nIt is good for " << certificate_life.count()
            << " days; put a real one there before they are over.\n";
    }
    for (const std::string& warning : outcome.warnings) {
        out << "Note: " << printable(warning) << '\n';
    }
    for (const std::string& command : outcome.done) {
        out << "Done: " << command << '\n';
    }
    if (!outcome.user.empty()) {
        out << printable(outcome.user) << " may log in.\n";
    }
    if (!outcome.left.empty()) {
        out << "\nTo do:\n";
        for (const std::string& command : outcome.left) {
            out << "  " << command << '\n';
        }
    }
    out << "\nThen look at:\n"
           "  sekisho doctor    is the box well?\n"
           "  sekisho status    what does it do?\n";
}

Result<SetupOutcome> all_steps(const Arguments& arguments, const SetupPlaces& places, SetupConsole& console) {
    if (auto old = look_at_old(arguments, places, console.out); !old) {
        return std::unexpected(old.error());
    }
    const auto facts = facts_of(arguments, places);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    auto plan = plan_of(arguments, *facts, console);
    if (!plan) {
        return std::unexpected(plan.error());
    }
    auto outcome = write_all_of(arguments, places, *facts, plan->answers);
    if (outcome) {
        start_daemons(arguments, places, *outcome);
        make_users(arguments, console, plan->user, *outcome);
    }
    wipe(plan->user.password);
    return outcome;
}

}  // namespace

int set_up_box(const Arguments& arguments, const SetupPlaces& places, SetupConsole& console,
               std::ostream& out, std::ostream& err) {
    const auto outcome = all_steps(arguments, places, console);
    if (!outcome) {
        print_error(outcome.error(), arguments.json, out, err);
        return exit_failed;
    }
    if (arguments.json) {
        out << json::serialize(setup_result(*outcome)) << '\n';
    } else {
        print_setup(*outcome, places, out);
    }
    if (const auto& trouble = outcome->trouble) {
        print_error(*trouble, false, out, err);
        return exit_failed;
    }
    return exit_done;
}

int setup_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    if (::geteuid() != 0) {
        print_error({.kind = Failure::refused,
                     .what = "only root may set the box up: it writes to /etc and starts daemons",
                     .remedy = "sudo sekisho setup"},
                    arguments.json, out, err);
        return exit_failed;
    }
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    SetupConsole console{
        .in = std::cin, .out = arguments.json ? err : out, .echo = !terminal, .password = {}};
    console.password = [terminal, &console](const std::string& name) {
        return terminal ? read_password(STDIN_FILENO, name) : password_line(console, name);
    };
    return set_up_box(arguments, {}, console, out, err);
}

}  // namespace sekisho::cli
