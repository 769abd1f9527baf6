// SPDX-License-Identifier: Apache-2.0
// From requests to logins.
#include "agent/logins/dovecot_policy.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>
#include <utility>

#include "agent/base/secret.h"

namespace sekisho::logins {

namespace {

// For a slip in Dovecot's settings, which shows with every login.
constexpr std::chrono::seconds long_silence{60};
// Dovecot ends its own request after two seconds; it keeps its connection for a minute or so.
constexpr api::HttpLimits limits{.body = longest_policy_body,
                                 .header = std::size_t{8} * 1024,
                                 .request = std::chrono::milliseconds{5'000},
                                 .idle = std::chrono::milliseconds{300'000},
                                 .connections = 256};

Attempt attempt_of(const PolicyRequest& request) {
    return {.address = request.remote, .user = request.login, .protocol = request.protocol};
}

}  // namespace

DovecotPolicy::DovecotPolicy(const DovecotConfig& config, std::string key, OnLogin on_login, Gate& gate)
    : config_(config),
      key_(std::move(key)),
      on_login_(std::move(on_login)),
      gate_(gate),
      quiet_(config.name) {}

Result<std::unique_ptr<DovecotPolicy>> DovecotPolicy::listen(const boost::asio::any_io_executor& executor,
                                                             const DovecotConfig& config, OnLogin on_login,
                                                             Gate& gate) {
    auto key = read_secret(config.key_file);
    if (!key) {
        return std::unexpected(key.error());
    }
    std::unique_ptr<DovecotPolicy> policy(
        new DovecotPolicy(config, std::move(*key), std::move(on_login), gate));
    auto server = api::HttpServer::listen_tcp(
        executor, config.listen, config.port,
        [self = policy.get()](const api::Request& request) -> boost::asio::awaitable<api::Response> {
            co_return self->answer(request);
        },
        limits, [self = policy.get()](const api::Peer& peer) { return self->admits(peer); });
    if (!server) {
        return std::unexpected(server.error());
    }
    policy->server_ = std::move(*server);
    return policy;
}

Counts DovecotPolicy::counts() const {
    return counts_;
}

api::HttpCounts DovecotPolicy::http_counts() const {
    return server_ ? server_->counts() : api::HttpCounts{};
}

bool DovecotPolicy::admits(const api::Peer& peer) {
    const bool known = peer.address && std::ranges::any_of(config_.reporters, [&peer](const Prefix& prefix) {
                           return prefix.contains(*peer.address);
                       });
    if (!known) {
        counts_.rejected++;
        quiet_.warning("POLICY_STRANGER", "a connection from an address that is not among the reporters",
                       peer.text());
    }
    return known;
}

api::Response DovecotPolicy::answer(const api::Request& request) {
    const auto key = request.header("X-API-Key");
    if (!key || !same_secret(key_, *key)) {
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
    const boost::json::object body = {{"status", answer.status}, {"msg", answer.message}};
    return {.status = 200, .body = boost::json::serialize(body), .headers = {}};
}

api::Response DovecotPolicy::reject(int status, std::string_view name, const Error& error,
                                    const api::Peer& peer) {
    counts_.rejected++;
    quiet_.warning(name, error.what, peer.text());
    const std::string remedy = error.remedy.empty() ? "" : "; " + error.remedy;
    const boost::json::object body = {{"status", 0}, {"msg", error.what + remedy}};
    return {.status = status, .body = boost::json::serialize(body), .headers = {}};
}

Gate::Answer DovecotPolicy::judge(const PolicyRequest& request, const api::Peer& peer) {
    const Attempt attempt = attempt_of(request);
    const bool with_proof = config_.proof.has_value();
    if (with_proof && request.command == PolicyCommand::allow && !request.has_proof) {
        quiet_.warning(
            "POLICY_NO_PROOF",
            "an allow without the attribute that proof names: no grant; see sekisho.toml(5) for Dovecot's "
            "settings",
            peer.text(), long_silence);
    }
    if (is_failed_try(request)) {
        if (gate_.was_not_asked(attempt)) {
            quiet_.warning("POLICY_NOT_ASKED",
                           "somebody who is locked has failed again: this Dovecot looks at passwords without "
                           "asking; set auth_policy_check_before_auth = yes",
                           peer.text(), long_silence);
        }
        gate_.failed(attempt, config_.name);
    }
    const bool login = is_login(request, with_proof);
    Gate::Answer answer;
    if (login || request.command == PolicyCommand::allow) {
        answer = gate_.ask(attempt, login ? Password::right : Password::unknown, config_.name);
    }
    if (login && answer.refuses()) {
        counts_.refused++;
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
        counts_.rejected++;
        quiet_.warning("POLICY_NO_ADDRESS",
                       "a login without an address: `remote` is '" + request.remote_text + "'", peer.text());
        return;
    }
    const auto granted = on_login_({.when = std::chrono::system_clock::now(),
                                    .user = request.login,
                                    .address = *request.remote,
                                    .protocol = request.protocol,
                                    .mechanism = request.mechanism,
                                    .tls = request.tls,
                                    .reporter = config_.name,
                                    .lifetime = config_.lifetime});
    (granted ? counts_.granted : counts_.refused)++;
}

}  // namespace sekisho::logins
