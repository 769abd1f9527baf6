// SPDX-License-Identifier: Apache-2.0
// The rules, asked for somebody who isn't there. What a co_await is given has a name: see queue_api.cpp.
#include "smtpd/submission_api.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "agent/api/json_answer.h"
#include "agent/api/parameters.h"
#include "agent/api/server.h"
#include "smtpd/policy/access.h"
#include "smtpd/policy/relay.h"
#include "smtpd/ruling.h"

namespace sekisho {

namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::size_t longest_text = 512;  // of a name or an address that is asked about

struct RelayQuestion {
    Address client;
    std::string user;
    std::string from;
    std::string to;
    std::string interface;
    std::size_t listener = 0;  // its place
};

Result<std::string> text_in(const api::Request& request, std::string_view name) {
    std::string text = api::parameter(request, name).value_or("");
    if (text.size() > longest_text) {
        return fail(Failure::invalid, "the parameter " + std::string(name) + " is too long",
                    "at most " + std::to_string(longest_text) + " octets");
    }
    return text;
}

Result<std::size_t> listener_in(const api::Request& request, std::size_t count) {
    const auto number = api::number_in(request, "listener");
    if (!number) {
        return std::unexpected(number.error());
    }
    const std::uint64_t wanted = number->value_or(1);
    if (wanted == 0 || wanted > count) {
        return fail(Failure::invalid, "there is no listener " + std::to_string(wanted),
                    "they are numbered from 1 to " + std::to_string(count) +
                        ", as the [[submission.listener]] stand in the configuration");
    }
    return wanted - 1;
}

Result<RelayQuestion> question_in(const api::Request& request, std::size_t listeners) {
    const auto client = api::required(request, "client");
    const auto address = client ? parse_address(*client) : Result<Address>(std::unexpected(client.error()));
    if (!address) {
        return std::unexpected(address.error());
    }
    auto user = text_in(request, "user");
    auto from = text_in(request, "from");
    auto to = text_in(request, "to");
    auto interface = text_in(request, "interface");
    for (const auto* text : {&user, &from, &to, &interface}) {
        if (!*text) {
            return std::unexpected(text->error());
        }
    }
    const auto listener = listener_in(request, listeners);
    if (!listener) {
        return std::unexpected(listener.error());
    }
    return RelayQuestion{.client = *address,
                         .user = std::move(*user),
                         .from = std::move(*from),
                         .to = std::move(*to),
                         .interface = std::move(*interface),
                         .listener = *listener};
}

json::object answer_of(const RelayQuestion& question, const policy::RelayFacts& facts,
                       const policy::Ruling& ruling) {
    json::array rules;
    for (const policy::Finding& each : policy::explain_relay(facts)) {
        rules.push_back(json::object{
            {"rule", each.rule}, {"opinion", policy::to_string(each.opinion)}, {"detail", each.detail}});
    }
    return {{"client", question.client.text()},
            {"interface", question.interface},
            {"user", question.user},
            {"from", question.from},
            {"to", question.to},
            {"direction", policy::direction_of(facts.relay, question.from, question.to)},
            {"listener", json::object{{"number", question.listener + 1},
                                      {"address", facts.listener.address.text()},
                                      {"port", facts.listener.port},
                                      {"tls", to_string(facts.listener.tls)}}},
            {"verdict", policy::to_string(ruling.opinion)},
            {"rule", ruling.rule},
            {"reply", ruling.reply},
            {"rules", std::move(rules)}};
}

}  // namespace

SubmissionApi::SubmissionApi(const Config& config, const SubmissionConfig& submission, SenderFile& senders,
                             AgentLink* agent, handoff::HandoffClient& relay,
                             std::function<std::string()> metrics)
    : config_(config),
      submission_(submission),
      senders_(senders),
      agent_(agent),
      relay_(relay),
      metrics_(std::move(metrics)) {}

awaitable<api::Response> SubmissionApi::answer(const api::Request& request) {
    if (auto no = api::turned_away(config_.api, request)) {
        co_return std::move(*no);
    }
    const bool metrics = request.path == "/metrics";
    if (!metrics && request.path != "/v1/why-relay") {
        co_return api::unknown_path(request);
    }
    if (request.method != "GET") {
        co_return api::unknown_method(request, "GET");
    }
    if (metrics) {
        co_return api::Response{
            .status = 200, .body = metrics_(), .content_type = "text/plain; version=0.0.4", .headers = {}};
    }
    auto response = co_await why_relay(request);
    co_return response;
}

// As of a client that does what it can: it has begun TLS where the listener has it.
awaitable<api::Response> SubmissionApi::why_relay(const api::Request& request) {
    const auto question = question_in(request, submission_.listeners.size());
    if (!question) {
        co_return api::error_response(question.error());
    }
    const ListenerConfig& listener = submission_.listeners[question->listener];
    policy::RelayFacts facts{.submission = submission_,
                             .listener = listener,
                             .relay = config_.relay,
                             .client = question->client,
                             .interface = question->interface,
                             .sender = question->from,
                             .recipient = question->to.empty() ? std::nullopt : std::optional(question->to),
                             .tls = listener.tls != TlsMode::none,
                             .user = question->user,
                             .rights = senders_.rights(),
                             .grant = std::nullopt};
    if (policy::name_matters(submission_.access, question->client)) {
        facts.name = co_await relay_.name_of(question->client);
    }
    const policy::Ruling ruling = co_await rule_on(facts, agent_, relay_);
    co_return api::json_response(answer_of(*question, facts, ruling));
}

}  // namespace sekisho
