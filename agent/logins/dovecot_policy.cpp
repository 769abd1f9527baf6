// SPDX-License-Identifier: Apache-2.0
// From requests to logins.
#include "agent/logins/dovecot_policy.h"

#include <boost/json/serialize.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "agent/logins/connection_limits.h"

namespace sekisho::logins {

namespace {

// For a slip in Dovecot's settings, which shows with every login.
constexpr std::chrono::seconds long_silence{60};
// Dovecot ends its own request after two seconds; it keeps its connection for a minute or so.
constexpr api::HttpLimits limits{.body = longest_policy_body,
                                 .header = std::size_t{8} * 1024,
                                 .request = std::chrono::milliseconds{5'000},
                                 .idle = std::chrono::milliseconds{300'000},
                                 .connections = most_policy_connections};

Attempt attempt_of(const PolicyRequest& request) {
    return {.address = request.remote, .user = request.login, .protocol = request.protocol};
}

// What auth-policy.c understands. Mostly there is nothing to say.
std::string body_of(int status, const std::string& message) {
    const std::string text = message.empty() ? R"("")" : boost::json::serialize(message);
    return R"({"status":)" + std::to_string(status) + R"(,"msg":)" + text + "}";
}

}  // namespace

DovecotPolicy::DovecotPolicy(const DovecotConfig& config, Reporters reporters, Settled settled, Gate& gate)
    : config_(config), reporters_(std::move(reporters)), settled_(std::move(settled)), gate_(gate) {}

Result<std::unique_ptr<DovecotPolicy>> DovecotPolicy::listen(const boost::asio::any_io_executor& executor,
                                                             const DovecotConfig& config, OnLogin on_login,
                                                             Settled settled, Gate& gate) {
    auto reporters = Reporters::make(config, std::move(on_login));
    if (!reporters) {
        return std::unexpected(reporters.error());
    }
    std::unique_ptr<DovecotPolicy> policy(
        new DovecotPolicy(config, std::move(*reporters), std::move(settled), gate));
    auto server = api::HttpServer::listen_tcp(
        executor, config.listen, config.port,
        [self = policy.get()](const api::Request& request) -> boost::asio::awaitable<api::Response> {
            api::Response response = self->answer(request);
            co_await self->settled_();
            co_return response;
        },
        limits,
        [self = policy.get()](const api::Peer& peer) {
            return self->reporters_.admits(peer, "POLICY_STRANGER");
        });
    if (!server) {
        return std::unexpected(server.error());
    }
    policy->server_ = std::move(*server);
    return policy;
}

api::HttpCounts DovecotPolicy::http_counts() const {
    return server_ ? server_->counts() : api::HttpCounts{};
}

api::Response DovecotPolicy::answer(const api::Request& request) {
    const auto key = request.header("X-API-Key");
    if (!key || !reporters_.is_key(*key)) {
        return reject(401, "POLICY_WRONG_KEY",
                      {.kind = Failure::refused,
                       .what = "the header X-API-Key is missing or wrong",
                       .remedy = "set auth_policy_server_api_header = X-API-Key: <the line in the key file>"},
                      request.peer);
    }
    if (request.method != "POST") {
        return reject(405, "POLICY_BAD_REQUEST",
                      {.kind = Failure::invalid, .what = "only POST is understood", .remedy = {}},
                      request.peer);
    }
    const auto parsed = parse_policy_request(request.query, request.body, config_.proof);
    if (!parsed) {
        return reject(400, "POLICY_BAD_REQUEST", parsed.error(), request.peer);
    }
    const Gate::Answer answer = judge(*parsed, request.peer);
    return {.status = 200, .body = body_of(answer.status, answer.message), .headers = {}};
}

api::Response DovecotPolicy::reject(int status, std::string_view name, const Error& error,
                                    const api::Peer& peer) {
    reporters_.reject(name, error.what, peer);
    return {.status = status, .body = body_of(0, told(error)), .headers = {}};
}

Gate::Answer DovecotPolicy::judge(const PolicyRequest& request, const api::Peer& peer) {
    const Attempt attempt = attempt_of(request);
    const bool with_proof = config_.proof.has_value();
    if (with_proof && request.command == PolicyCommand::allow && !request.has_proof) {
        reporters_.warn(
            "POLICY_NO_PROOF",
            "an allow without the attribute that proof names: no grant; see sekisho.toml(5) for Dovecot's "
            "settings",
            peer, long_silence);
    }
    if (is_failed_try(request)) {
        if (gate_.was_not_asked(attempt)) {
            reporters_.warn(
                "POLICY_NOT_ASKED",
                "somebody who is locked has failed again: this Dovecot looks at passwords without "
                "asking; set auth_policy_check_before_auth = yes",
                peer, long_silence);
        }
        gate_.failed(attempt, config_.name);
    }
    const bool login = is_login(request, with_proof);
    Gate::Answer answer;
    if (login || request.command == PolicyCommand::allow) {
        answer = gate_.ask(attempt, login ? Password::right : Password::unknown, config_.name);
    }
    if (login && answer.refuses()) {
        reporters_.refuse();
    } else if (login) {
        grant(request, peer);
    }
    if (!answer.refuses() && (login || is_login(request, false))) {
        gate_.succeeded(attempt);
    }
    return request.command == PolicyCommand::allow ? answer : Gate::Answer();
}

void DovecotPolicy::grant(const PolicyRequest& request, const api::Peer& peer) {
    if (!request.remote) {
        reporters_.reject("POLICY_NO_ADDRESS",
                          "a login without an address: `remote` is '" + request.remote_text + "'", peer);
        return;
    }
    reporters_.report({.when = std::chrono::system_clock::now(),
                       .user = request.login,
                       .address = *request.remote,
                       .protocol = request.protocol,
                       .mechanism = request.mechanism,
                       .tls = request.tls,
                       .reporter = {},
                       .lifetime = {}});
}

}  // namespace sekisho::logins
