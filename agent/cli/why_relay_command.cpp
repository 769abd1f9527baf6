// SPDX-License-Identifier: Apache-2.0
// A question to sekisho-smtpd.
#include "agent/cli/why_relay_command.h"

#include <ostream>
#include <string>

#include "agent/base/config_mail.h"
#include "agent/cli/ask.h"
#include "agent/cli/finish.h"
#include "agent/cli/mail_answers.h"

namespace sekisho::cli {

int why_relay_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const api::Client client(
        arguments.socket.value_or(SubmissionConfig{}.admin_socket), std::chrono::seconds{10},
        {.what = "the submission server", .program = "sekisho-smtpd", .unit = "sekisho-smtpd"});
    const auto reply =
        ask(client, {.method = "GET",
                     .target = "/v1/why-relay?client=" + encoded(arguments.address.text()) +
                               "&user=" + encoded(arguments.user) + "&from=" + encoded(arguments.sender) +
                               "&to=" + encoded(arguments.recipient) +
                               (arguments.arrival.empty() ? "" : "&interface=" + encoded(arguments.arrival)) +
                               "&listener=" + std::to_string(arguments.listener),
                     .body = {}});
    return finish(
        arguments, reply, [&out](const boost::json::object& answer) { print_why_relay(answer, out); }, out,
        err);
}

}  // namespace sekisho::cli
