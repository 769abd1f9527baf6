// SPDX-License-Identifier: Apache-2.0
// The routes. What a co_await is given has a name: GCC 12 destroys a temporary twice that is converted there.
#include "smtpd/sender_api.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "agent/api/json_answer.h"
#include "agent/base/log.h"
#include "agent/base/time_text.h"
#include "smtpd/policy/quota.h"

namespace sekisho {

namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::string_view senders_path = "/v1/senders";
constexpr std::string_view sender_prefix = "/v1/senders/";
constexpr std::string_view stop_suffix = "/stop";
constexpr std::string_view resume_suffix = "/resume";
constexpr std::size_t most_senders = 1000;
constexpr std::size_t longest_name = 500;

message::WallTime present() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

json::value value_of(const std::optional<spool::Stop>& stop) {
    return stop ? json::value(json::object{
                      {"since", rfc3339(stop->since)}, {"by", stop->who}, {"reason", stop->reason}})
                : json::value();
}

json::value limits_for(const std::vector<QuotaConfig>& quotas, std::string_view user) {
    const QuotaConfig* const quota = policy::quota_for(quotas, user);
    if (quota == nullptr) {
        return {};
    }
    json::object limits;
    for (const policy::QuotaUse& use : policy::uses_of(*quota, {})) {
        limits[use.name] = use.limit;
    }
    return limits;
}

json::object object_of(const std::vector<QuotaConfig>& quotas, const spool::Sender& sender) {
    return {{"user", sender.user},
            {"hour", sender.sent.hour},
            {"day", sender.sent.day},
            {"new_hour", sender.sent.new_hour},
            {"new_day", sender.sent.new_day},
            {"addresses_day", sender.sent.addresses_day},
            {"networks_day", sender.sent.networks_day},
            {"failed_day", sender.sent.failed_day},
            {"limits", limits_for(quotas, sender.user)},
            {"stopped", value_of(sender.stop)}};
}

// What a path below sender_prefix asks for.
struct Place {
    std::string user;
    bool stop = false;
    bool resume = false;
};

std::optional<Place> place_of(std::string_view path) {
    path.remove_prefix(sender_prefix.size());
    Place place{.user = {}, .stop = path.ends_with(stop_suffix), .resume = path.ends_with(resume_suffix)};
    path.remove_suffix(place.stop ? stop_suffix.size() : place.resume ? resume_suffix.size() : 0);
    auto user = api::decoded(path);
    if (!user || user->empty() || user->size() > longest_name) {
        return std::nullopt;
    }
    place.user = std::move(*user);
    return place;
}

Result<json::object> body_if_any(const api::Request& request, std::string_view member) {
    return request.body.empty() ? json::object() : api::body_of(request, {member});
}

}  // namespace

SenderApi::SenderApi(const std::vector<QuotaConfig>& quotas, const spool::SpoolReader& reader,
                     SpoolWork& work, std::function<void()> changed)
    : quotas_(quotas), reader_(reader), work_(work), changed_(std::move(changed)) {}

bool SenderApi::is_for(std::string_view path) {
    return path == senders_path || path.starts_with(sender_prefix);
}

awaitable<api::Response> SenderApi::answer(const api::Request& request) {
    const std::string_view path = request.path;
    const bool looks = request.method == "GET";
    if (path == senders_path) {
        co_return looks ? list() : api::unknown_method(request, "GET");
    }
    const auto place = place_of(path);
    if (!place) {
        co_return api::error_response(
            {.kind = Failure::invalid, .what = "there is no user of such a name", .remedy = {}});
    }
    if (!place->stop && !place->resume) {
        co_return looks ? show(place->user) : api::unknown_method(request, "GET");
    }
    if (request.method != "POST") {
        co_return api::unknown_method(request, "POST");
    }
    if (place->stop) {
        auto response = co_await stop(request, place->user);
        co_return response;
    }
    auto response = co_await resume(request, place->user);
    co_return response;
}

api::Response SenderApi::list() const {
    auto senders = reader_.senders().list(present(), most_senders + 1);
    if (!senders) {
        return api::error_response(senders.error());
    }
    const bool more = senders->size() > most_senders;
    senders->resize(std::min(senders->size(), most_senders));
    json::array all;
    for (const spool::Sender& each : *senders) {
        all.push_back(object_of(quotas_, each));
    }
    return api::json_response(json::object{{"senders", std::move(all)}, {"more", more}});
}

api::Response SenderApi::show(const std::string& user) const {
    const spool::Senders senders = reader_.senders();
    const auto sent = senders.sent(user, present());
    const auto stop = senders.stop_of(user);
    const auto held = senders.held(user);
    if (!sent || !stop || !held) {
        return api::error_response(!sent ? sent.error() : !stop ? stop.error() : held.error());
    }
    json::object object = object_of(quotas_, {.user = user, .sent = *sent, .stop = *stop});
    object["held"] = *held;
    return api::json_response(object);
}

awaitable<api::Response> SenderApi::stop(const api::Request& request, const std::string& user) {
    const auto body = body_if_any(request, "reason");
    if (!body) {
        co_return api::error_response(body.error());
    }
    const auto reason = api::text_of(*body, "reason", false);
    if (!reason) {
        co_return api::error_response(reason.error());
    }
    const spool::Stop wanted{.user = user, .since = present(), .who = request.peer.text(), .reason = *reason};
    spool::Writer::Work work = [wanted](spool::Spool& spool) { return spool.senders().stop(wanted); };
    const auto done = co_await work_.run(std::move(work));
    if (!done) {
        co_return api::error_response(done.error());
    }
    log::warning("USER_STOPPED", "an operator lets a user send nothing any more",
                 {{"user", user}, {"by", wanted.who}, {"reason", wanted.reason}});
    co_return show(user);
}

awaitable<api::Response> SenderApi::resume(const api::Request& request, const std::string& user) {
    using enum spool::Senders::HeldMail;
    const auto body = body_if_any(request, "discard");
    if (!body) {
        co_return api::error_response(body.error());
    }
    const json::value* const discard = body->if_contains("discard");
    if (discard != nullptr && !discard->is_bool()) {
        co_return api::error_response(
            {.kind = Failure::invalid, .what = "\"discard\" is neither true nor false", .remedy = {}});
    }
    const auto fate = discard != nullptr && discard->get_bool() ? discarded : spool::Senders::HeldMail::sent;
    spool::Writer::Work work = [user, fate](spool::Spool& spool) {
        return spool.senders().resume(user, fate, present());
    };
    const auto done = co_await work_.run(std::move(work));
    if (done) {
        log::notice("USER_RESUMED",
                    fate == discarded ? "an operator lets a user send again; what was held is thrown away"
                                      : "an operator lets a user send again; what was held goes on its way",
                    {{"user", user}, {"by", request.peer.text()}});
        changed_();
    }
    co_return api::done_response(done);
}

}  // namespace sekisho
