// SPDX-License-Identifier: Apache-2.0
// The queue's routes. What a co_await is given has a name: GCC 12 destroys a temporary twice that is
// converted there.
#include "smtpd/queue_api.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "agent/api/json_answer.h"
#include "agent/api/server.h"
#include "agent/base/log.h"
#include "agent/base/time_text.h"

namespace sekisho {

namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::string_view queue_path = "/v1/queue";
constexpr std::string_view queue_prefix = "/v1/queue/";
constexpr std::string_view flush_path = "/v1/queue/flush";
constexpr std::size_t most_listed = 10'000;

json::object object_of(const spool::Queued& queued) {
    json::array recipients;
    for (const spool::Waiting& each : queued.waiting) {
        recipients.push_back(json::object{{"address", each.address},
                                          {"attempts", each.attempts},
                                          {"next", rfc3339(each.next)},
                                          {"last_error", each.last_error}});
    }
    const message::Envelope& envelope = queued.envelope;
    return {{"id", envelope.id},
            {"sender", envelope.sender},
            {"user", envelope.user},
            {"client", envelope.client},
            {"received", rfc3339(envelope.received)},
            {"size", queued.size},
            {"recipients", std::move(recipients)}};
}

std::optional<std::string> text_if(const json::object& body, std::string_view key) {
    const json::value* value = body.if_contains(key);
    return value != nullptr && value->is_string() ? std::optional(std::string(value->get_string()))
                                                  : std::nullopt;
}

}  // namespace

QueueApi::QueueApi(boost::asio::any_io_executor executor, const ApiConfig& config,
                   const spool::SpoolReader& reader, spool::Writer& writer, std::function<void()> changed,
                   std::function<std::string()> metrics)
    : executor_(std::move(executor)),
      config_(config),
      reader_(reader),
      writer_(writer),
      changed_(std::move(changed)),
      metrics_(std::move(metrics)) {}

awaitable<api::Response> QueueApi::answer(const api::Request& request) {
    if (auto no = api::turned_away(config_, request)) {
        co_return std::move(*no);
    }
    const bool looks = request.method == "GET";
    if (request.path == "/metrics" && looks) {
        co_return api::Response{
            .body = metrics_(), .content_type = "text/plain; version=0.0.4", .headers = {}};
    }
    if (request.path == queue_path) {
        co_return looks ? list() : api::unknown_method(request, "GET");
    }
    if (request.path == flush_path && request.method == "POST") {
        auto response = co_await flush(request);
        co_return response;
    }
    if (!request.path.starts_with(queue_prefix)) {
        co_return api::unknown_path(request);
    }
    const auto id = api::decoded(std::string_view(request.path).substr(queue_prefix.size()));
    if (!id) {
        co_return api::error_response(
            {.kind = Failure::invalid, .what = "the path is not percent-encoded correctly", .remedy = {}});
    }
    if (looks) {
        co_return show(*id);
    }
    if (request.method != "DELETE") {
        co_return api::unknown_method(request, request.path == flush_path ? "POST" : "GET, DELETE");
    }
    spool::Writer::Work removal = [id = *id](spool::Spool& spool) { return spool.remove(id); };
    const auto removed = co_await write(std::move(removal));
    if (removed) {
        log::notice("MESSAGE_DELETED", "an operator threw a message away",
                    {{"id", *id}, {"by", request.peer.text()}});
    }
    co_return api::done_response(removed);
}

api::Response QueueApi::list() {
    const auto all = reader_.list(most_listed);
    const auto count = reader_.count();
    if (!all || !count) {
        return api::error_response(all ? count.error() : all.error());
    }
    json::array messages;
    for (const spool::Queued& queued : *all) {
        messages.push_back(object_of(queued));
    }
    const std::uint64_t more = *count > messages.size() ? *count - messages.size() : 0;
    return api::json_response(json::object{{"messages", std::move(messages)}, {"more", more}});
}

api::Response QueueApi::show(const std::string& id) {
    const auto queued = reader_.message(id);
    return queued ? api::json_response(object_of(*queued)) : api::error_response(queued.error());
}

awaitable<api::Response> QueueApi::flush(const api::Request& request) {
    const auto body = api::body_of(request, {"domain", "id"});
    if (!body) {
        co_return api::error_response(body.error());
    }
    const auto domain = text_if(*body, "domain");
    const auto id = text_if(*body, "id");
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    spool::Writer::Work hurry = [now, domain, id](spool::Spool& spool) {
        return spool.hurry(now, domain, id);
    };
    const auto done = co_await write(std::move(hurry));
    changed_();
    co_return api::done_response(done);
}

awaitable<Result<void>> QueueApi::write(spool::Writer::Work work) {
    struct State {
        explicit State(const boost::asio::any_io_executor& executor) : timer(executor) {}
        boost::asio::steady_timer timer;
        std::optional<Result<void>> result;
    };
    const auto state = std::make_shared<State>(executor_);
    state->timer.expires_at(boost::asio::steady_timer::time_point::max());
    writer_.submit(std::move(work), [state](Result<void> result) {
        state->result = std::move(result);
        state->timer.cancel();
    });
    if (!state->result) {
        static_cast<void>(
            co_await state->timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable)));
    }
    co_return state->result.value_or(fail(Failure::unavailable, "sekisho-relay is ending"));
}

}  // namespace sekisho
