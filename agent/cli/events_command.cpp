// SPDX-License-Identifier: Apache-2.0
// The last ones, page by page; to follow is to ask again, where the agent waits for something to answer with.
#include "agent/cli/events_command.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>
#include <string>
#include <utility>

#include "agent/api/routes.h"
#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/cli/answers.h"
#include "agent/cli/ask.h"
#include "agent/cli/cli.h"
#include "agent/cli/pages.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds one_wait{30};
// In one page while following; more of them are the next page.
constexpr int page = 1'000;

// `since` is left out while following.
std::string filters_of_events(const Arguments& arguments, bool since) {
    std::string filters = arguments.session == 0 ? "" : "&session=" + std::to_string(arguments.session);
    if (arguments.within) {
        filters += "&within=" + encoded(arguments.within->text());
    }
    if (arguments.since && since) {
        filters += "&since=" + std::to_string(arguments.since->count());
    }
    for (const auto& [key, value] : {std::pair("user", &arguments.user), std::pair("name", &arguments.event),
                                     std::pair("reporter", &arguments.reporter)}) {
        filters += value->empty() ? "" : std::string("&") + key + "=" + encoded(*value);
    }
    return filters;
}

Question next_question(const Arguments& arguments, std::uint64_t after) {
    return {.method = "GET",
            .target = std::string(api::events_path) + "?count=" + std::to_string(page) +
                      filters_of_events(arguments, false) + "&after=" + std::to_string(after) +
                      "&wait=" + std::to_string(one_wait.count()),
            .body = {}};
}

// The id of the last event that was looked at.
Result<std::uint64_t> last_of(const json::object& answer) {
    const json::value* const last = answer.if_contains("last");
    boost::system::error_code error;
    const auto number = last == nullptr ? 0 : last->to_number<std::uint64_t>(error);
    if (last == nullptr || error) {
        return fail(Failure::unavailable, "the agent's answer has no \"last\"",
                    "sekisho and sekishod must be of one version");
    }
    return number;
}

// Prints what was answered, and says from where to ask on.
Result<std::uint64_t> print_page(const Arguments& arguments, const Result<Reply>& reply, std::ostream& out) {
    if (!reply) {
        return std::unexpected(reply.error());
    }
    if (!arguments.json) {
        print_events(reply->object, out);
    } else if (const json::value* const events = reply->object.if_contains("events");
               events != nullptr && events->is_array()) {
        for (const json::value& event : events->get_array()) {
            out << json::serialize(event) << '\n';
        }
    }
    out.flush();
    return last_of(reply->object);
}

// The last ones.
List past_of(const Arguments& arguments) {
    return {.path = std::string(api::events_path),
            .filters = filters_of_events(arguments, true),
            .name = "events",
            .cursor = "before",
            .parameter = "before",
            .begin = arguments.before == 0 ? "" : std::to_string(arguments.before),
            .count = arguments.count,
            .backwards = true};
}

}  // namespace

int events_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    constexpr std::chrono::seconds patience{10};
    const api::Client agent(arguments.socket.value_or(ApiConfig{}.socket), one_wait + patience);
    auto last = print_page(arguments, ask_list(agent, past_of(arguments)), out);
    while (arguments.follow && last && out) {
        last = print_page(arguments, ask(agent, next_question(arguments, *last)), out);
    }
    if (!last) {
        print_error(last.error(), arguments.json, out, err);
    }
    return last && out ? exit_done : exit_failed;  // or nobody reads any more
}

}  // namespace sekisho::cli
