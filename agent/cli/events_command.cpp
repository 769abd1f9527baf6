// SPDX-License-Identifier: Apache-2.0
// Asks page by page; to follow is to ask again, where the agent waits for something to answer with.
#include "agent/cli/events_command.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>
#include <string>

#include "agent/api/routes.h"
#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/cli/answers.h"
#include "agent/cli/ask.h"
#include "agent/cli/cli.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds one_wait{30};
// In one page while following; more of them are the next page.
constexpr int page = 1'000;

Question first_question(const Arguments& arguments) {
    std::string target = std::string(api::events_path) + "?count=" + std::to_string(arguments.count);
    if (arguments.within) {
        target += "&within=" + encoded(arguments.within->text());
    }
    if (arguments.since) {
        target += "&since=" + std::to_string(arguments.since->count());
    }
    for (const auto& [key, value] : {std::pair("user", &arguments.user), std::pair("name", &arguments.event),
                                     std::pair("reporter", &arguments.reporter)}) {
        target += value->empty() ? "" : std::string("&") + key + "=" + encoded(*value);
    }
    return {.method = "GET", .target = std::move(target), .body = {}};
}

Question next_question(const Arguments& arguments, std::uint64_t after) {
    Arguments next = arguments;
    next.count = page;
    next.since.reset();
    Question question = first_question(next);
    question.target += "&after=" + std::to_string(after) + "&wait=" + std::to_string(one_wait.count());
    return question;
}

// The id of the last event there is.
Result<std::uint64_t> print_page(const Arguments& arguments, const Reply& reply, std::ostream& out) {
    if (!arguments.json) {
        print_events(reply.object, out);
    } else if (const json::value* const events = reply.object.if_contains("events");
               events != nullptr && events->is_array()) {
        for (const json::value& event : events->get_array()) {
            out << json::serialize(event) << '\n';
        }
    }
    out.flush();
    const json::value* const last = reply.object.if_contains("last");
    boost::system::error_code error;
    const auto number = last == nullptr ? 0 : last->to_number<std::uint64_t>(error);
    if (last == nullptr || error) {
        return fail(Failure::unavailable, "the agent's answer has no \"last\"",
                    "sekisho and sekishod must be of one version");
    }
    return number;
}

}  // namespace

int events_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    constexpr std::chrono::seconds patience{10};
    const api::Client agent(arguments.socket.value_or(ApiConfig{}.socket), one_wait + patience);
    Question question = first_question(arguments);
    while (out) {
        const auto reply = ask(agent, question);
        if (!reply) {
            print_error(reply.error(), arguments.json, out, err);
            return exit_failed;
        }
        const auto last = print_page(arguments, *reply, out);
        if (!last) {
            print_error(last.error(), arguments.json, out, err);
            return exit_failed;
        }
        if (!arguments.follow) {
            return exit_done;
        }
        question = next_question(arguments, *last);
    }
    return exit_failed;  // nobody reads any more
}

}  // namespace sekisho::cli
