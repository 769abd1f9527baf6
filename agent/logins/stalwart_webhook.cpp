// SPDX-License-Identifier: Apache-2.0
// From deliveries to logins.
#include "agent/logins/stalwart_webhook.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>

#include "agent/logins/connection_limits.h"
#include "agent/logins/webhook_signature.h"

namespace sekisho::logins {

namespace {

// Stalwart has one delivery on its way at a time, and waits 30 seconds for the answer.
constexpr api::HttpLimits webhook_limits{.body = longest_webhook_body,
                                         .header = std::size_t{8} * 1024,
                                         .request = std::chrono::milliseconds{10'000},
                                         .idle = std::chrono::milliseconds{300'000},
                                         .connections = most_webhook_connections};
// Others' logins wait so long: a delivery may bring those of minutes.
constexpr std::size_t logins_at_once = 64;

}  // namespace

StalwartWebhook::StalwartWebhook(const StalwartConfig& config, Reporters reporters, Settled settled)
    : config_(config), reporters_(std::move(reporters)), settled_(std::move(settled)) {}

Result<std::unique_ptr<StalwartWebhook>> StalwartWebhook::listen(const boost::asio::any_io_executor& executor,
                                                                 const StalwartConfig& config,
                                                                 OnLogin on_login, Settled settled) {
    auto reporters = Reporters::make(config, std::move(on_login));
    if (!reporters) {
        return std::unexpected(reporters.error());
    }
    std::unique_ptr<StalwartWebhook> webhook(
        new StalwartWebhook(config, std::move(*reporters), std::move(settled)));
    auto server = api::HttpServer::listen_tcp(
        executor, config.listen, config.port,
        [self = webhook.get()](const api::Request& request) { return self->answer(request); }, webhook_limits,
        [self = webhook.get()](const api::Peer& peer) {
            return self->reporters_.admits(peer, "WEBHOOK_STRANGER");
        });
    if (!server) {
        return std::unexpected(server.error());
    }
    webhook->server_ = std::move(*server);
    return webhook;
}

api::HttpCounts StalwartWebhook::http_counts() const {
    return server_ ? server_->counts() : api::HttpCounts{};
}

boost::asio::awaitable<api::Response> StalwartWebhook::answer(const api::Request& request) {
    const auto signature = request.header("X-Signature");
    if (!signature || !is_signed(reporters_.key(), request.body, *signature)) {
        co_return reject(401, "WEBHOOK_WRONG_SIGNATURE",
                         {.kind = Failure::refused,
                          .what = "the header X-Signature is missing or wrong",
                          .remedy = "set the webhook's signature key to the line in the key file"},
                         request.peer);
    }
    if (request.method != "POST") {
        co_return reject(405, "WEBHOOK_BAD_REQUEST",
                         {.kind = Failure::invalid, .what = "only POST is understood", .remedy = {}},
                         request.peer);
    }
    const auto parsed = parse_webhook_request(request.body);
    if (!parsed) {
        co_return reject(400, "WEBHOOK_BAD_REQUEST", parsed.error(), request.peer);
    }
    for (const std::string& why : parsed->unusable) {
        reporters_.reject("WEBHOOK_UNUSABLE", why, request.peer);
    }
    const auto executor = co_await boost::asio::this_coro::executor;
    for (std::size_t i = 0; i < parsed->logins.size(); i++) {
        if (i % logins_at_once == logins_at_once - 1) {
            co_await boost::asio::post(executor, boost::asio::use_awaitable);
        }
        report(parsed->logins[i]);
    }
    co_await settled_();
    co_return api::Response{.status = 200, .body = "{}", .headers = {}};
}

api::Response StalwartWebhook::reject(int status, std::string_view name, const Error& error,
                                      const api::Peer& peer) {
    reporters_.reject(name, error.what, peer);
    const boost::json::object body = {{"error", told(error)}};
    return {.status = status, .body = boost::json::serialize(body), .headers = {}};
}

// A repetition would begin a grant's budget anew.
void StalwartWebhook::report(const WebhookLogin& login) {
    if (!recent_.is_new(login)) {
        return;
    }
    const bool wanted = config_.protocols.empty() ||
                        std::ranges::find(config_.protocols, login.protocol) != config_.protocols.end();
    if (!wanted) {
        reporters_.refuse();
        return;
    }
    reporters_.report({.when = login.when,
                       .user = login.user,
                       .address = login.address,
                       .port = login.port != 0 ? std::optional(login.port) : std::nullopt,
                       .protocol = login.protocol,
                       .mechanism = {},
                       .tls = login.tls,
                       .reporter = {},
                       .lifetime = {}});
}

}  // namespace sekisho::logins
