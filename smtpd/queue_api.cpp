// SPDX-License-Identifier: Apache-2.0
// The queue's routes. What a co_await is given has a name: GCC 12 destroys a temporary twice that is
// converted there.
#include "smtpd/queue_api.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
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

spool::WallTime now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// What an operator does to a message.
struct Change {
    std::string_view method;
    std::string_view suffix;  // behind its id
    Result<void> (*work)(spool::Spool& spool, const std::string& id);
    std::string_view name;  // in the log
    std::string_view text;
};
constexpr std::array<Change, 3> changes = {{
    {.method = "POST",
     .suffix = "/hold",
     .work = [](spool::Spool& spool, const std::string& id) { return spool.hold(id); },
     .name = "MESSAGE_HELD",
     .text = "an operator holds a message"},
    {.method = "POST",
     .suffix = "/release",
     .work = [](spool::Spool& spool, const std::string& id) { return spool.release(id, now()); },
     .name = "MESSAGE_RELEASED",
     .text = "an operator has released a message"},
    {.method = "DELETE",
     .suffix = "",
     .work = [](spool::Spool& spool, const std::string& id) { return spool.remove(id); },
     .name = "MESSAGE_DELETED",
     .text = "an operator threw a message away"},
}};

json::object object_of(const spool::Queued& queued) {
    json::array recipients;
    const bool waits = !queued.held && !queued.user_stopped;
    for (const spool::Waiting& each : queued.waiting) {
        recipients.push_back(json::object{{"address", each.address},
                                          {"attempts", each.attempts},
                                          {"next", waits ? json::value(rfc3339(each.next)) : json::value()},
                                          {"last_error", each.last_error}});
    }
    const message::Envelope& envelope = queued.envelope;
    return {{"id", envelope.id},
            {"sender", envelope.sender},
            {"user", envelope.user},
            {"client", envelope.client},
            {"received", rfc3339(envelope.received)},
            {"size", queued.size},
            {"held", queued.held},
            {"user_stopped", queued.user_stopped},
            {"recipients", std::move(recipients)}};
}

std::optional<std::string> text_if(const json::object& body, std::string_view key) {
    const json::value* value = body.if_contains(key);
    return value != nullptr && value->is_string() ? std::optional(std::string(value->get_string()))
                                                  : std::nullopt;
}

}  // namespace

QueueApi::QueueApi(const Config& config, const spool::SpoolReader& reader, SpoolWork& work,
                   std::function<void()> changed, std::function<std::string()> metrics)
    : config_(config.api),
      reader_(reader),
      work_(work),
      changed_(std::move(changed)),
      senders_(config.submission.quotas, reader, work, changed_),
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
    if (SenderApi::is_for(request.path)) {
        auto response = co_await senders_.answer(request);
        co_return response;
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
    auto response = co_await change(request, std::string_view(request.path).substr(queue_prefix.size()));
    co_return response;
}

awaitable<api::Response> QueueApi::change(const api::Request& request, std::string_view rest) {
    const auto one = std::ranges::find_if(changes, [&](const Change& each) {
        return request.method == each.method && rest.ends_with(each.suffix);
    });
    const bool known = one != changes.end();
    const auto id = api::decoded(rest.substr(0, rest.size() - (known ? one->suffix.size() : 0)));
    if (!id) {
        co_return api::error_response(
            {.kind = Failure::invalid, .what = "the path is not percent-encoded correctly", .remedy = {}});
    }
    if (request.method == "GET") {
        co_return show(*id);
    }
    if (!known) {
        co_return api::unknown_method(request, request.path == flush_path ? "POST" : "GET, DELETE");
    }
    spool::Writer::Work work = [id = *id, one](spool::Spool& spool) { return one->work(spool, id); };
    const auto done = co_await work_.run(std::move(work));
    if (done) {
        log::notice(one->name, one->text, {{"id", *id}, {"by", request.peer.text()}});
        changed_();
    }
    co_return api::done_response(done);
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
    spool::Writer::Work hurry = [domain, id](spool::Spool& spool) { return spool.hurry(now(), domain, id); };
    const auto done = co_await work_.run(std::move(hurry));
    changed_();
    co_return api::done_response(done);
}

}  // namespace sekisho
