// SPDX-License-Identifier: Apache-2.0
// Questions to sekisho-auth, who knows passwords, and to sekisho-relay, who knows what was sent.
#include "agent/cli/user_command.h"

#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/config_mail.h"
#include "agent/base/printable.h"
#include "agent/cli/ask.h"
#include "agent/cli/finish.h"
#include "agent/cli/mail_answers.h"
#include "agent/cli/user_password.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

api::Client client_of(const Arguments& arguments) {
    return api::Client(
        arguments.socket.value_or(AuthConfig{}.admin_socket), std::chrono::seconds{10},
        {.what = "the authentication server", .program = "sekisho-auth", .unit = "sekisho-auth"});
}

api::Client relay_of(const Arguments& arguments) {
    return api::Client(arguments.socket.value_or(RelayConfig{}.admin_socket), std::chrono::seconds{10},
                       {.what = "the mail relay", .program = "sekisho-relay", .unit = "sekisho-relay"});
}

std::string sender_of(const Arguments& arguments, std::string_view suffix) {
    return "/v1/senders/" + encoded(arguments.name) + std::string(suffix);
}

std::string target_of(const Arguments& arguments) {
    return "/v1/users/" + encoded(arguments.name);
}

// Asks for a password and sends it: to make a user, or to change one.
Result<Reply> ask_and_send(const Arguments& arguments) {
    auto password = read_password(STDIN_FILENO, arguments.name);
    if (!password) {
        return std::unexpected(password.error());
    }
    auto reply = send_password(arguments, *password);
    wipe(*password);
    return reply;
}

Result<Reply> reply_to(const Arguments& arguments) {
    switch (arguments.command) {
        case Command::user_list:
            return ask(client_of(arguments), {.method = "GET", .target = "/v1/users", .body = {}});
        case Command::user_remove:
            return ask(client_of(arguments),
                       {.method = "DELETE", .target = target_of(arguments), .body = {}});
        case Command::user_usage:
            return ask(relay_of(arguments),
                       {.method = "GET",
                        .target = arguments.name.empty() ? "/v1/senders" : sender_of(arguments, ""),
                        .body = {}});
        case Command::user_stop:
            return ask(relay_of(arguments),
                       {.method = "POST",
                        .target = sender_of(arguments, "/stop"),
                        .body = json::serialize(json::object{{"reason", arguments.words}})});
        case Command::user_resume:
            return ask(relay_of(arguments),
                       {.method = "POST",
                        .target = sender_of(arguments, "/resume"),
                        .body = json::serialize(json::object{{"discard", arguments.discard}})});
        default:
            return ask_and_send(arguments);
    }
}

const char* success_of(const Arguments& arguments) {
    switch (arguments.command) {
        case Command::user_add:
            return " may log in";
        case Command::user_remove:
            return " may no longer log in";
        case Command::user_resume:
            return arguments.discard ? " may send again; what was held is thrown away"
                                     : " may send again, and what was held goes on its way";
        default:
            return " has another password";
    }
}

}  // namespace

Result<Reply> send_password(const Arguments& arguments, const std::string& password) {
    const bool fresh = arguments.command == Command::user_add;
    json::object body = {{"password", password}};
    if (fresh) {
        body["name"] = arguments.name;
    }
    if (arguments.recoverable) {
        body["recoverable"] = *arguments.recoverable;
    }
    Question question{.method = fresh ? "POST" : "PUT",
                      .target = fresh ? "/v1/users" : target_of(arguments),
                      .body = json::serialize(body)};
    auto reply = ask(client_of(arguments), question);
    wipe(question.body);
    return reply;
}

bool auth_answers(const Arguments& arguments) {
    return ask(client_of(arguments), {.method = "GET", .target = "/v1/users", .body = {}}).has_value();
}

int user_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto print = [&](const json::object& answer) {
        if (arguments.command == Command::user_list) {
            print_users(answer, out);
        } else if (arguments.command == Command::user_usage) {
            arguments.name.empty() ? print_senders(answer, out) : print_sender(answer, out);
        } else if (arguments.command == Command::user_stop) {
            print_stop(printable(arguments.name), answer, out);
        } else {
            out << printable(arguments.name) << success_of(arguments) << '\n';
        }
    };
    return finish(arguments, reply_to(arguments), print, out, err);
}

}  // namespace sekisho::cli
