// SPDX-License-Identifier: Apache-2.0
// Questions to sekisho-relay.
#include "agent/cli/queue_command.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <ostream>
#include <string>

#include "agent/base/config_mail.h"
#include "agent/base/printable.h"
#include "agent/cli/ask.h"
#include "agent/cli/finish.h"
#include "agent/cli/mail_answers.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

Question question_of(const Arguments& arguments) {
    const std::string one = "/v1/queue/" + encoded(arguments.name);
    switch (arguments.command) {
        case Command::queue_show:
            return {.method = "GET", .target = one, .body = {}};
        case Command::queue_hold:
            return {.method = "POST", .target = one + "/hold", .body = {}};
        case Command::queue_release:
            return {.method = "POST", .target = one + "/release", .body = {}};
        case Command::queue_delete:
            return {.method = "DELETE", .target = one, .body = {}};
        case Command::queue_flush: {
            json::object body;
            if (!arguments.name.empty()) {
                body["domain"] = arguments.name;
            }
            return {.method = "POST", .target = "/v1/queue/flush", .body = json::serialize(body)};
        }
        default:
            return {.method = "GET", .target = "/v1/queue", .body = {}};
    }
}

void print(const Arguments& arguments, const json::object& answer, std::ostream& out) {
    switch (arguments.command) {
        case Command::queue_show:
            print_message(answer, out);
            break;
        case Command::queue_hold:
            out << "message " << printable(arguments.name) << " is held\n";
            break;
        case Command::queue_release:
            out << "message " << printable(arguments.name) << " is released\n";
            break;
        case Command::queue_delete:
            out << "message " << printable(arguments.name) << " is thrown away\n";
            break;
        case Command::queue_flush:
            out << (arguments.name.empty() ? "everything" : "what is for " + printable(arguments.name))
                << " is tried again now\n";
            break;
        default:
            print_queue(answer, out);
    }
}

}  // namespace

int queue_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const api::Client client(arguments.socket.value_or(RelayConfig{}.admin_socket), std::chrono::seconds{10},
                             {.what = "the mail relay", .program = "sekisho-relay", .unit = "sekisho-relay"});
    const auto reply = ask(client, question_of(arguments));
    return finish(
        arguments, reply, [&](const json::object& answer) { print(arguments, answer, out); }, out, err);
}

}  // namespace sekisho::cli
