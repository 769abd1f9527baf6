// SPDX-License-Identifier: Apache-2.0
// Each command as a question to the agent and a way to print the answer; the few that are more than that.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <ostream>
#include <string_view>
#include <utility>

#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/cli/answers.h"
#include "agent/cli/arguments.h"
#include "agent/cli/ask.h"
#include "agent/cli/backup_command.h"
#include "agent/cli/certificate_command.h"
#include "agent/cli/cli.h"
#include "agent/cli/dataplane_command.h"
#include "agent/cli/doctor.h"
#include "agent/cli/events_command.h"
#include "agent/cli/finish.h"
#include "agent/cli/image_command.h"
#include "agent/cli/import_command.h"
#include "agent/cli/logins_command.h"
#include "agent/cli/mailbox_command.h"
#include "agent/cli/pages.h"
#include "agent/cli/queue_command.h"
#include "agent/cli/setup_command.h"
#include "agent/cli/subscriber_command.h"
#include "agent/cli/user_command.h"
#include "agent/cli/why_relay_command.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// A command that is one question: its success is told by `print`, or else by `words`.
struct Exchange {
    Question question;
    void (*print)(const json::object& answer, std::ostream& out);
    std::string words;
};

Exchange grant_add(const Arguments& arguments) {
    json::object body = {{"address", arguments.address.text()}};
    add_terms(arguments, body);
    return {.question = {.method = "POST", .target = "/v1/grants", .body = json::serialize(body)},
            .print = print_new_grant,
            .words = {}};
}

List grants_of(const Arguments& arguments) {
    std::string filters = arguments.within ? "&within=" + encoded(arguments.within->text()) : "";
    for (const auto& [key, name] :
         {std::pair("user", &arguments.user), std::pair("source", &arguments.reporter)}) {
        filters += name->empty() ? "" : std::string("&") + key + "=" + encoded(*name);
    }
    filters += arguments.session == 0 ? "" : "&session=" + std::to_string(arguments.session);
    return {.path = "/v1/grants",
            .filters = std::move(filters),
            .name = "grants",
            .cursor = "next",
            .parameter = "after",
            .begin = arguments.after ? arguments.after->text() : "",
            .count = arguments.count};
}

Exchange exempt_add(const Arguments& arguments) {
    json::object body = {{"prefix", arguments.prefix.text()}};
    if (!arguments.words.empty()) {
        body["note"] = arguments.words;
    }
    return {.question = {.method = "POST", .target = "/v1/exemptions", .body = json::serialize(body)},
            .print = nullptr,
            .words = arguments.prefix.text() + " is exempt"};
}

Exchange quarantine_add(const Arguments& arguments) {
    json::object body = {{"address", arguments.address.text()}};
    if (!arguments.words.empty()) {
        body["note"] = arguments.words;
    }
    return {.question = {.method = "POST", .target = "/v1/quarantines", .body = json::serialize(body)},
            .print = print_new_quarantine,
            .words = {}};
}

Exchange why(const Arguments& arguments) {
    std::string target = "/v1/why?address=" + encoded(arguments.address.text());
    if (arguments.destination) {
        target += "&destination=" + encoded(arguments.destination->text());
    }
    return {.question = {.method = "GET", .target = std::move(target), .body = {}},
            .print = print_why,
            .words = {}};
}

Exchange exchange_of(const Arguments& arguments) {
    const auto get = [](const std::string& target, auto print) {
        return Exchange{
            .question = {.method = "GET", .target = target, .body = {}}, .print = print, .words = {}};
    };
    const auto remove = [](const std::string& target, const std::string& words) {
        return Exchange{
            .question = {.method = "DELETE", .target = target, .body = {}}, .print = nullptr, .words = words};
    };
    switch (arguments.command) {
        case Command::status:
            return get("/v1/status", print_status);
        case Command::interface_list:
            return get("/v1/interfaces", print_interfaces);
        case Command::grant_add:
            return grant_add(arguments);
        case Command::grant_show:
            return get("/v1/grants/" + encoded(arguments.address.text()), print_grant);
        case Command::grant_revoke:
            return remove("/v1/grants/" + encoded(arguments.address.text()) +
                              "?kill=" + (arguments.kill ? "true" : "false") +
                              "&cool_down=" + (arguments.cool_down ? "true" : "false"),
                          "the grant of " + arguments.address.text() + " has ended" +
                              (arguments.kill ? ", and its connections" : ""));
        case Command::logins_list:
            return get("/v1/logins", print_reporters);
        case Command::exempt_add:
            return exempt_add(arguments);
        case Command::exempt_list:
            return get("/v1/exemptions", print_exemptions);
        case Command::exempt_remove:
            return remove("/v1/exemptions?prefix=" + encoded(arguments.prefix.text()),
                          arguments.prefix.text() + " is no longer exempt");
        case Command::blocked_top:
            return get("/v1/blocked?count=" + std::to_string(arguments.count), print_blocked);
        case Command::quarantine_add:
            return quarantine_add(arguments);
        case Command::quarantine_list:
            return get("/v1/quarantines", print_quarantines);
        case Command::quarantine_remove:
            return remove("/v1/quarantines/" + encoded(arguments.address.text()),
                          arguments.address.text() + " is no longer quarantined");
        case Command::lockout_list:
            return get("/v1/lockouts", print_lockouts);
        case Command::lockout_remove:
            return remove("/v1/lockouts/" + encoded(arguments.name),
                          printable(arguments.name) + " is no longer locked");
        case Command::why:
            return why(arguments);
        case Command::doctor:
        case Command::version:
        case Command::config_check:
        case Command::dataplane_detach:
        case Command::grant_import:
        case Command::grant_list:
        case Command::logins_test:
        case Command::logins_patterns:
        case Command::user_add:
        case Command::user_list:
        case Command::user_passwd:
        case Command::user_remove:
        case Command::user_usage:
        case Command::user_stop:
        case Command::user_resume:
        case Command::queue_list:
        case Command::queue_show:
        case Command::queue_flush:
        case Command::queue_hold:
        case Command::queue_release:
        case Command::queue_delete:
        case Command::subscriber_list:
        case Command::subscriber_show:
        case Command::subscriber_import:
        case Command::events:
        case Command::why_relay:
        case Command::image_status:
        case Command::image_update:
        case Command::image_rollback:
        case Command::image_confirm:
        case Command::image_factory_reset:
        case Command::image_install:
        case Command::backup:
        case Command::restore:
        case Command::mailbox_apply:
        case Command::certificate_show:
        case Command::certificate_fetch:
        case Command::certificate_install:
        case Command::setup:
            break;  // more than one question, or another daemon's; perform() does them
    }
    std::unreachable();
}

// Prints the answer: by `print`, or else `words`.
int finish_exchange(const Arguments& arguments, const Result<Reply>& reply, const Exchange& exchange,
                    std::ostream& out, std::ostream& err) {
    const auto print = [&](const json::object& answer) {
        if (exchange.print != nullptr) {
            exchange.print(answer, out);
        } else {
            out << exchange.words << '\n';
        }
    };
    return finish(arguments, reply, print, out, err);
}

int exchange(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const Exchange exchange = exchange_of(arguments);
    return finish_exchange(arguments, ask(agent_of(arguments), exchange.question), exchange, out, err);
}

int doctor(const Arguments& arguments, std::ostream& out) {
    const json::object findings = examine(arguments.config, arguments.socket);
    if (arguments.json) {
        out << json::serialize(findings) << '\n';
    } else {
        print_checks(findings, out);
    }
    return findings.at("ok").get_bool() ? exit_done : exit_failed;
}

int version(const Arguments& arguments, std::ostream& out) {
    const auto reply = ask(agent_of(arguments), {.method = "GET", .target = "/v1/version", .body = {}});
    if (arguments.json) {
        json::object body = {{"sekisho", SEKISHO_VERSION}, {"agent", nullptr}};
        if (reply) {
            body["agent"] = reply->object;
        }
        out << json::serialize(body) << '\n';
        return exit_done;
    }
    out << "sekisho " SEKISHO_VERSION "\n";
    if (!reply) {
        out << "sekishod unknown: " << printable(reply.error().what) << '\n';
        return exit_done;
    }
    const auto member = [&](std::string_view key) {
        const json::value* const value = reply->object.if_contains(key);
        if (value == nullptr) {
            return std::string("unknown");
        }
        return printable(value->is_string() ? std::string(value->get_string()) : json::serialize(*value));
    };
    out << "sekishod " << member("version") << ", layout " << member("abi") << " of the kernel's maps\n";
    return exit_done;
}

int config_check(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto config = load_config(arguments.config);
    if (arguments.json) {
        json::array errors;
        if (!config) {
            for (const ConfigError& one : config.error()) {
                errors.push_back(json::object{
                    {"line", one.line}, {"column", one.column}, {"what", one.what}, {"remedy", one.remedy}});
            }
        }
        const bool ok = config.has_value();
        out << json::serialize(json::object{{"ok", ok}, {"errors", std::move(errors)}}) << '\n';
    } else if (config) {
        out << arguments.config.string() << " is fine\n";
    }
    if (!config) {
        const std::string complaints = text(arguments.config, config.error());
        err << complaints << (complaints.ends_with('\n') ? "" : "\n");
    }
    return config ? exit_done : exit_wrong_usage;
}

int perform(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    switch (arguments.command) {
        case Command::doctor:
            return doctor(arguments, out);
        case Command::version:
            return version(arguments, out);
        case Command::config_check:
            return config_check(arguments, out, err);
        case Command::dataplane_detach:
            return dataplane_detach(arguments, out, err);
        case Command::events:
            return events_command(arguments, out, err);
        case Command::grant_import:
            return grant_import(arguments, out, err);
        case Command::grant_list:
            return finish_exchange(arguments, ask_list(agent_of(arguments), grants_of(arguments)),
                                   {.question = {}, .print = print_grants, .words = {}}, out, err);
        case Command::logins_test:
            return logins_test(arguments, out, err);
        case Command::logins_patterns:
            return logins_patterns(arguments, out);
        case Command::user_add:
        case Command::user_list:
        case Command::user_passwd:
        case Command::user_remove:
        case Command::user_usage:
        case Command::user_stop:
        case Command::user_resume:
            return user_command(arguments, out, err);
        case Command::queue_list:
        case Command::queue_show:
        case Command::queue_flush:
        case Command::queue_hold:
        case Command::queue_release:
        case Command::queue_delete:
            return queue_command(arguments, out, err);
        case Command::why_relay:
            return why_relay_command(arguments, out, err);
        case Command::image_status:
        case Command::image_update:
        case Command::image_rollback:
        case Command::image_confirm:
        case Command::image_factory_reset:
        case Command::image_install:
            return image_command(arguments, out, err);
        case Command::backup:
        case Command::restore:
            return backup_command(arguments, out, err);
        case Command::certificate_show:
        case Command::certificate_fetch:
        case Command::certificate_install:
            return certificate_command(arguments, out, err);
        case Command::mailbox_apply:
            return mailbox_command(arguments, out, err);
        case Command::setup:
            return setup_command(arguments, out, err);
        case Command::subscriber_list:
        case Command::subscriber_show:
        case Command::subscriber_import:
            return subscriber_command(arguments, out, err);
        default:
            return exchange(arguments, out, err);
    }
}

}  // namespace

int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
    const auto read = read_arguments(arguments);
    if (const auto* const help = std::get_if<Help>(&read)) {
        out << help->text;
        return exit_done;
    }
    if (const auto* const error = std::get_if<Error>(&read)) {
        // The arguments could not be read, so neither is it known for sure how the answer is wanted.
        const bool as_json = std::ranges::find(arguments, "--json") != arguments.end();
        print_error(*error, as_json, out, err);
        return exit_wrong_usage;
    }
    return perform(std::get<Arguments>(read), out, err);
}

}  // namespace sekisho::cli
