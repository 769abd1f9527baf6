// SPDX-License-Identifier: Apache-2.0
// Which events, and for how long somebody waits for them.
#include "agent/api/event_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/api/forms.h"
#include "agent/api/json_answer.h"
#include "agent/api/parameters.h"

namespace sekisho::api {

namespace {

Result<EventQuestion> event_question_in(const Agent& agent, const Request& request) {
    constexpr std::size_t usual = 100;
    constexpr std::uint64_t longest_ago = std::uint64_t{100} * 366 * 86'400;
    const auto count = count_in(request, usual);
    const auto after = number_in(request, "after");
    const auto before = number_in(request, "before");
    const auto since = number_in(request, "since");
    const auto within = prefix_in(request, "within");
    const auto session = number_in(request, "session");
    if (!count || !after || !before || !since || !within || !session) {
        return std::unexpected(!count    ? count.error()
                               : !after  ? after.error()
                               : !before ? before.error()
                               : !since  ? since.error()
                               : !within ? within.error()
                                         : session.error());
    }
    EventQuestion question{.after = *after,
                           .before = *before,
                           .count = *count,
                           .within = *within,
                           .name = parameter(request, "name").value_or(""),
                           .user = parameter(request, "user").value_or(""),
                           .reporter = parameter(request, "reporter").value_or(""),
                           .session = session->value_or(0),
                           .since = {}};
    if (const std::optional<std::uint64_t> ago = *since) {
        question.since = std::chrono::seconds(std::min(*ago, longest_ago));
    }
    // An address means its subscriber: decisions are about what he has.
    if (question.within && question.within->length == question.within->address.bits()) {
        question.within = agent.key_of(question.within->address).value_or(*question.within);
    }
    return question;
}

}  // namespace

Response list_events(Agent& agent, const Request& request) {
    const auto question = event_question_in(agent, request);
    if (!question) {
        return error_response(question.error());
    }
    const auto page = agent.events(*question);
    return page ? json_response(boost::json::value_from(*page)) : error_response(page.error());
}

std::chrono::seconds wait_of(const Request& request) {
    if (request.method != "GET" || request.path != events_path) {
        return {};
    }
    const auto wait = number_in(request, "wait");
    const auto longest = static_cast<std::uint64_t>(longest_wait.count());
    const std::optional<std::uint64_t> asked = wait ? *wait : std::nullopt;
    return std::chrono::seconds(std::min(asked.value_or(0), longest));
}

std::uint64_t after_of(const Request& request) {
    const auto after = number_in(request, "after");
    return after ? after->value_or(0) : 0;
}

}  // namespace sekisho::api
