// SPDX-License-Identifier: Apache-2.0
// Wiring sekisho-auth.
#include "smtpd/auth.h"

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <thread>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/metrics.h"
#include "agent/base/privilege.h"
#include "smtpd/sasl/stand_in_key.h"

namespace sekisho {

namespace {

// Checks that wait or are under way. The last one waits about three seconds on two processors.
constexpr std::size_t most_waiting = 256;

std::size_t processors() {
    return std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

AuthDaemon::AuthDaemon(boost::asio::io_context& context, const Config& config, sasl::UserFile users)
    : context_(context),
      users_(std::move(users)),
      checker_(processors(), most_waiting),
      api_(config.api, users_, checker_, [this] { return metrics(); }),
      reload_(context, SIGHUP) {
    if (const AuthConfig& auth = config.auth; !auth.program.empty()) {
        program_.emplace(context.get_executor(), sasl::CheckProgram::Settings{.command = auth.program,
                                                                              .processes = auth.processes,
                                                                              .limit = auth.program_timeout,
                                                                              .most_waiting = most_waiting});
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
    std::shared_ptr<AuthDaemon> daemon(new AuthDaemon(context, config, std::move(*users)));
    std::filesystem::path stand_ins = config.auth.users;
    stand_ins += ".stand-ins";
    if (auto serving = daemon->serve(std::move(*clients), std::move(*admins), stand_ins); !serving) {
        return std::unexpected(serving.error());
    }
    daemon->await_reload();
    return daemon;
}

Result<void> AuthDaemon::serve(std::vector<Descriptor> clients, std::vector<Descriptor> admins,
                               const std::filesystem::path& stand_ins) {
    auto secret = sasl::stand_in_key(stand_ins);
    if (!secret) {
        return std::unexpected(secret.error());
    }
    auto judge =
        sasl::LoginJudge::make(users_, checker_, program_ ? &*program_ : nullptr, std::move(*secret));
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
                static_cast<double>(checker_.waiting() + (program_ ? program_->waiting() : 0)));
    metrics.set("sekisho_auth_users", {}, static_cast<double>(users_.users().size()));
    metrics.set("sekisho_auth_bad_lines", {}, static_cast<double>(users_.users().bad_lines().size()));
    return metrics.text();
}

}  // namespace sekisho
