// SPDX-License-Identifier: Apache-2.0
// Wiring sekisho-auth.
#include "smtpd/auth.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstddef>
#include <thread>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "agent/base/privilege.h"
#include "agent/base/secret.h"
#include "smtpd/sasl/access_request.h"
#include "smtpd/sasl/check_program.h"
#include "smtpd/sasl/radius_backend.h"
#include "smtpd/sasl/stand_in_key.h"

namespace sekisho {

namespace {

// Checks that wait or are under way. The last one waits about three seconds on two processors.
constexpr std::size_t most_waiting = 256;

std::size_t processors() {
    return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

std::string own_name() {
    std::array<char, HOST_NAME_MAX + 1> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

Result<std::unique_ptr<sasl::PasswordBackend>> radius_backend(boost::asio::io_context& context,
                                                              const AuthConfig& auth) {
    sasl::RadiusBackend::Settings settings{
        .servers = {}, .nas = auth.nas.empty() ? own_name() : auth.nas, .most_waiting = most_waiting};
    for (const RadiusServerConfig& each : auth.radius) {
        auto secret = read_secret(each.secret_file);
        if (!secret) {
            return std::unexpected(secret.error());
        }
        settings.servers.push_back({.endpoint = {.address = each.address, .port = each.port},
                                    .secret = std::move(*secret),
                                    .timeout = each.timeout,
                                    .attempts = each.attempts,
                                    .strict = each.message_authenticator});
    }
    // RADIUS is made of MD5, which a machine may forbid: better said now than at each login.
    static_cast<void>(
        sasl::access_request({.user = "x", .password = "x", .nas = "", .remote = std::nullopt}, 0, {}, "x"));
    return std::make_unique<sasl::RadiusBackend>(context.get_executor(), std::move(settings));
}

// Null: there are no other users.
Result<std::unique_ptr<sasl::PasswordBackend>> backend_of(boost::asio::io_context& context,
                                                          const AuthConfig& auth) {
    if (!auth.radius.empty()) {
        return radius_backend(context, auth);
    }
    if (auth.program.empty()) {
        return nullptr;
    }
    return std::make_unique<sasl::CheckProgram>(context.get_executor(),
                                                sasl::CheckProgram::Settings{.command = auth.program,
                                                                             .processes = auth.processes,
                                                                             .limit = auth.program_timeout,
                                                                             .most_waiting = most_waiting});
}

// Null: there are none.
Result<std::unique_ptr<sasl::Introspection>> tokens_of(const AuthConfig& auth) {
    if (!auth.oauth) {
        return nullptr;
    }
    const OauthConfig& oauth = *auth.oauth;
    std::string secret;
    if (!oauth.secret_file.empty()) {
        auto read = read_secret(oauth.secret_file);
        if (!read) {
            return std::unexpected(read.error());
        }
        secret = std::move(*read);
    }
    return std::make_unique<sasl::Introspection>(sasl::Introspection::Settings{
        .url = oauth.introspection,
        .client = oauth.client,
        .secret = std::move(secret),
        .rules = {.user = oauth.username, .scope = oauth.scope, .audience = oauth.audience},
        .authorities = oauth.authorities,
        .limit = oauth.timeout,
        .most_waiting = most_waiting});
}

void add_tokens(Metrics& metrics, const sasl::Introspection& tokens) {
    metrics.declare("sekisho_auth_tokens_total", Metrics::Kind::counter,
                    "Access tokens that the authorization server was asked about, by what came of it");
    const auto counts = tokens.counts();
    for (const auto& [result, value] :
         {std::pair{"active", counts.active}, std::pair{"refused", counts.refused},
          std::pair{"unanswered", counts.unanswered}}) {
        metrics.add("sekisho_auth_tokens_total", {{"result", result}}, static_cast<double>(value));
    }
}

void add_radius(Metrics& metrics, const sasl::RadiusBackend& radius) {
    metrics.declare("sekisho_auth_radius_total", Metrics::Kind::counter,
                    "Logins that RADIUS servers were asked about, by what came of it; ignored: packets");
    for (const auto& each : radius.counts()) {
        for (const auto& [result, value] :
             {std::pair{"accepted", each.accepted}, std::pair{"rejected", each.rejected},
              std::pair{"unanswered", each.unanswered}, std::pair{"ignored", each.ignored}}) {
            metrics.add("sekisho_auth_radius_total", {{"server", each.server}, {"result", result}},
                        static_cast<double>(value));
        }
    }
}

}  // namespace

AuthDaemon::AuthDaemon(boost::asio::io_context& context, const Config& config, sasl::UserFile users,
                       sasl::RecoverablePasswords recoverable, std::unique_ptr<sasl::Introspection> tokens,
                       std::unique_ptr<sasl::PasswordBackend> others)
    : context_(context),
      config_(config),
      users_(std::move(users)),
      recoverable_(std::move(recoverable)),
      checker_(processors(), most_waiting),
      tokens_(std::move(tokens)),
      others_(std::move(others)),
      api_({.config = config.api,
            .users = users_,
            .recoverable = recoverable_,
            .checker = checker_,
            .metrics = [this] { return metrics(); },
            .changed =
                [this] {
                    if (dovecot_) {
                        dovecot_->follow();
                    }
                }}),
      reload_(context, SIGHUP),
      users_looked_at_(context) {
    if (!config.auth.dovecot_users.empty()) {
        dovecot_.emplace(config.auth.dovecot_users, config.access, users_, recoverable_);
    }
}

Result<std::shared_ptr<AuthDaemon>> AuthDaemon::start(boost::asio::io_context& context,
                                                      const Config& config) {
    auto clients = passed_or_own(
        "auth-client",
        {.path = config.auth.socket, .mode = for_group, .type = SOCK_STREAM, .group = config.auth.clients});
    if (!clients) {
        return std::unexpected(clients.error());
    }
    auto admins = passed_or_own(
        "auth", {.path = config.auth.admin_socket, .mode = for_everybody, .type = SOCK_STREAM, .group = {}});
    if (!admins) {
        return std::unexpected(admins.error());
    }
    if (auto dropped = drop_privileges(config.auth.user); !dropped) {
        return std::unexpected(dropped.error());
    }
    auto users = sasl::UserFile::open(config.auth.users);
    if (!users) {
        return std::unexpected(users.error());
    }
    auto recoverable = sasl::RecoverablePasswords::open(config.auth.recoverable(), config.auth.key());
    if (!recoverable) {
        return std::unexpected(recoverable.error());
    }
    auto others = backend_of(context, config.auth);
    auto tokens = tokens_of(config.auth);
    if (!others || !tokens) {
        return std::unexpected(!others ? others.error() : tokens.error());
    }
    std::shared_ptr<AuthDaemon> daemon(new AuthDaemon(
        context, config, std::move(*users), std::move(*recoverable), std::move(*tokens), std::move(*others)));
    std::filesystem::path stand_ins = config.auth.users;
    stand_ins += ".stand-ins";
    if (auto serving = daemon->serve(std::move(*clients), std::move(*admins), stand_ins); !serving) {
        return std::unexpected(serving.error());
    }
    daemon->await_reload();
    daemon->follow_users();
    return daemon;
}

Result<void> AuthDaemon::serve(std::vector<Descriptor> clients, std::vector<Descriptor> admins,
                               const std::filesystem::path& stand_ins) {
    auto secret = sasl::stand_in_key(stand_ins);
    if (!secret) {
        return std::unexpected(secret.error());
    }
    auto judge = sasl::LoginJudge::make(
        {.users = users_,
         .checker = checker_,
         .recoverable = &recoverable_,
         .tokens = tokens_.get(),
         .others = others_.get()},
        {.mechanisms = config_.auth.mechanisms,
         .certificates = !config_.submission.client_ca.empty(),
         .token_configuration = config_.auth.oauth ? config_.auth.oauth->configuration : ""},
        std::move(*secret));
    if (!judge) {
        return std::unexpected(judge.error());
    }
    judge_.emplace(std::move(*judge));
    const auto executor = context_.get_executor();
    for (Descriptor& listener : clients) {
        servers_.push_back(std::make_unique<sasl::AuthServer>(executor, std::move(listener), *judge_));
    }
    for (Descriptor& listener : admins) {
        admin_.push_back(
            api::HttpServer::adopt(executor, std::move(listener),
                                   [this](const api::Request& request) { return api_.answer(request); }));
    }
    return {};
}

void AuthDaemon::await_reload() {
    reload_.async_wait([this](const boost::system::error_code& error, int) {
        if (error) {
            return;
        }
        users_.forget_time();
        static_cast<void>(users_.users());
        await_reload();
    });
}

// The files may be edited by anybody: they are looked at, not waited for.
void AuthDaemon::follow_users() {
    constexpr std::chrono::seconds pause{1};
    if (!dovecot_) {
        return;
    }
    dovecot_->follow();
    users_looked_at_.expires_after(pause);
    users_looked_at_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            follow_users();
        }
    });
}

std::string AuthDaemon::metrics() {
    constexpr auto counter = Metrics::Kind::counter;
    constexpr auto gauge = Metrics::Kind::gauge;
    Metrics metrics;
    metrics.declare("sekisho_auth_logins_total", counter, "Logins asked about, by result");
    metrics.declare("sekisho_auth_connections_total", counter, "Connections of clients accepted");
    metrics.declare("sekisho_auth_broken_total", counter, "Connections ended because of what came over them");
    metrics.declare("sekisho_auth_connections", gauge, "Connections of clients now");
    metrics.declare("sekisho_auth_checks_waiting", gauge, "Passwords being checked or waiting for it");
    metrics.declare("sekisho_auth_users", gauge, "Users in the user file");
    metrics.declare("sekisho_auth_bad_lines", gauge, "Lines of the user file that name nobody");
    for (const auto& server : servers_) {
        const sasl::AuthCounts counts = server->counts();
        for (const auto& [result, value] :
             {std::pair{"right", counts.right}, std::pair{"wrong", counts.wrong},
              std::pair{"malformed", counts.malformed}, std::pair{"unavailable", counts.unavailable}}) {
            metrics.add("sekisho_auth_logins_total", {{"result", result}}, static_cast<double>(value));
        }
        metrics.add("sekisho_auth_connections_total", {}, static_cast<double>(counts.connections));
        metrics.add("sekisho_auth_broken_total", {}, static_cast<double>(counts.broken));
        metrics.add("sekisho_auth_connections", {}, static_cast<double>(server->connections()));
    }
    metrics.set("sekisho_auth_checks_waiting", {},
                static_cast<double>(checker_.waiting() + (others_ ? others_->waiting() : 0) +
                                    (tokens_ ? tokens_->waiting() : 0)));
    metrics.set("sekisho_auth_users", {}, static_cast<double>(users_.users().size()));
    metrics.set("sekisho_auth_bad_lines", {}, static_cast<double>(users_.users().bad_lines().size()));
    if (dovecot_) {
        metrics.declare("sekisho_auth_dovecot_current", gauge,
                        "Whether Dovecot's files have the users as they are now");
        metrics.set("sekisho_auth_dovecot_current", {}, dovecot_->current() ? 1 : 0);
    }
    if (const auto* const radius = dynamic_cast<const sasl::RadiusBackend*>(others_.get())) {
        add_radius(metrics, *radius);
    }
    if (tokens_) {
        add_tokens(metrics, *tokens_);
    }
    return metrics.text();
}

}  // namespace sekisho
