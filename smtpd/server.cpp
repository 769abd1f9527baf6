// SPDX-License-Identifier: Apache-2.0
// Accepting, and the limits that hold before a client has said a word.
#include "smtpd/server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <exception>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/machine_name.h"
#include "agent/base/metrics.h"
#include "agent/base/privilege.h"
#include "agent/base/quietly.h"
#include "agent/base/systemd.h"
#include "smtpd/balancer.h"
#include "smtpd/policy/access.h"
#include "smtpd/policy/connection.h"
#include "smtpd/sasl/failure_delays.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr std::chrono::milliseconds pause_without_descriptors{100};
// One client that isn't trusted holds no more than this part of all connections: it can't keep the others
// out.
constexpr std::size_t client_share = 10;
constexpr std::string_view leaving = "421 4.3.2 Shutting down\r\n";
constexpr std::string_view crowded = "421 4.3.2 Too many connections, try again later\r\n";

// Each listener's socket: systemd's where it has opened one for this address, else our own.
Result<std::vector<Descriptor>> open_ports(const SubmissionConfig& config) {
    std::vector<Descriptor> passed = systemd::passed_sockets("submission");
    std::vector<Descriptor> sockets;
    for (const ListenerConfig& listener : config.listeners) {
        const Endpoint wanted{.address = listener.address, .port = listener.port};
        const auto found = std::ranges::find_if(
            passed, [&](const Descriptor& each) { return each && local_endpoint(each.get()) == wanted; });
        if (found != passed.end()) {
            sockets.push_back(std::move(*found));
            continue;
        }
        auto made = listen_tcp(wanted);
        if (!made && !passed.empty()) {
            made.error().remedy =
                "systemd has opened other ports than the configuration names: systemctl edit "
                "sekisho-smtpd.socket, and add ListenStream=" +
                wanted.text() + " to [Socket]";
        }
        if (!made) {
            return std::unexpected(made.error());
        }
        sockets.push_back(std::move(*made));
    }
    for (const Descriptor& left : passed) {
        if (left) {
            const auto end = local_endpoint(left.get());
            log::warning("SOCKET_UNUSED", "systemd has opened a port that no [[submission.listener]] names",
                         {{"port", end ? end->text() : "unknown"}});
        }
    }
    return sockets;
}

}  // namespace

struct SmtpdServer::Port {
    Port(asio::io_context& context, const ListenerConfig& which, int socket)
        : listener(which),
          acceptor(context, which.address.family == Family::ipv6 ? tcp::v6() : tcp::v4(), socket) {}

    const ListenerConfig& listener;
    tcp::acceptor acceptor;
};

SmtpdServer::SmtpdServer(asio::io_context& context, const Config& config, Certificates certificates,
                         SenderFile senders)
    : context_(context),
      config_(config.submission),
      certificates_(std::move(certificates)),
      auth_(context.get_executor(), config.submission.auth_socket),
      relay_(context.get_executor(), config.relay.socket),
      senders_(std::move(senders)),
      agent_(config.submission_login ? std::optional<AgentLink>(std::in_place, config.api.socket)
                                     : std::nullopt),
      services_{.config = config_,
                .routes = config.relay,
                .temporary = "/var/tmp",
                .certificates = certificates_,
                .auth = auth_,
                .relay = relay_,
                .senders = senders_,
                .agent = agent_ ? &*agent_ : nullptr,
                .counts = counts_,
                .scratch = scratch_},
      api_(config, config_, senders_, services_.agent, relay_, [this] { return metrics(); }),
      patience_(context),
      reload_(context, SIGHUP) {
    if (config_.hostname.empty()) {
        config_.hostname = machine_name();
    }
    auth_.connect();  // before the first client comes: what it is offered is known then
}

Result<std::shared_ptr<SmtpdServer>> SmtpdServer::start(asio::io_context& context, const Config& config) {
    const SubmissionConfig& submission = config.submission;
    if (submission.listeners.empty()) {
        return fail(Failure::invalid,
                    "the configuration names no [[submission.listener]]: there is nothing to do",
                    "add one: address = \"::\", port = 587");
    }
    auto sockets = open_ports(submission);
    if (!sockets) {
        return std::unexpected(sockets.error());
    }
    auto certificates = Certificates::read(submission);
    if (!certificates) {
        return std::unexpected(certificates.error());
    }
    auto admins = passed_or_own(
        "submission-admin",
        {.path = submission.admin_socket, .mode = for_everybody, .type = SOCK_STREAM, .group = {}});
    if (!admins) {
        return std::unexpected(admins.error());
    }
    if (auto dropped = drop_privileges(submission.user); !dropped) {
        return std::unexpected(dropped.error());
    }
    auto senders = SenderFile::open(submission);
    if (!senders) {
        return std::unexpected(senders.error());
    }
    std::shared_ptr<SmtpdServer> server(
        new SmtpdServer(context, config, std::move(*certificates), std::move(*senders)));
    for (std::size_t i = 0; i < sockets->size(); i++) {
        server->serve(submission.listeners[i], std::move((*sockets)[i]));
    }
    server->serve_admins(std::move(*admins));
    server->await_reload();
    return server;
}

SmtpdServer::~SmtpdServer() {
    for (const auto& port : ports_) {
        boost::system::error_code ignored;
        port->acceptor.close(ignored);
    }
    for (const auto& each : connections_) {
        if (const auto connection = each.lock()) {
            connection->close();
        }
    }
}

void SmtpdServer::leave(std::chrono::seconds patience, std::function<void()> left) {
    for (const auto& port : ports_) {
        boost::system::error_code ignored;
        port->acceptor.close(ignored);
    }
    if (open_ == 0) {
        left();
        return;
    }
    log::info("LEAVING", "connections end after the message in hand", {{"connections", open_}});
    left_ = std::move(left);
    patience_.expires_after(patience);
    patience_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            log::warning("CUT_OFF", "connections were still in the middle of something",
                         {{"connections", open_}});
            left_();
        }
    });
    for (const auto& each : connections_) {
        if (const auto connection = each.lock()) {
            connection->ask_to_leave();
        }
    }
}

void SmtpdServer::serve(const ListenerConfig& listener, Descriptor socket) {
    ports_.push_back(std::make_shared<Port>(context_, listener, socket.release()));
    log::info(
        "LISTENING", "mail is taken here",
        {{"address", Endpoint{listener.address, listener.port}.text()}, {"tls", to_string(listener.tls)}});
    asio::co_spawn(context_, accept_all(ports_.back()), asio::detached);
}

void SmtpdServer::await_reload() {
    reload_.async_wait([this](const boost::system::error_code& error, int) {
        if (!error) {
            certificates_.reload();
            await_reload();
        }
    });
}

void SmtpdServer::serve_admins(std::vector<Descriptor> sockets) {
    for (Descriptor& socket : sockets) {
        admin_.push_back(
            api::HttpServer::adopt(context_.get_executor(), std::move(socket),
                                   [this](const api::Request& request) { return api_.answer(request); }));
    }
}

asio::awaitable<void> SmtpdServer::accept_all(std::shared_ptr<Port> port) {
    asio::steady_timer pause(context_);
    while (port->acceptor.is_open()) {
        auto [error, socket] = co_await port->acceptor.async_accept(quietly);
        if (error == asio::error::operation_aborted) {
            break;
        }
        if (!error) {
            take(std::move(socket), port->listener);
        } else if (error != asio::error::connection_aborted) {
            log::warning("ACCEPT_FAILED", "a client could not be accepted; trying again",
                         {{"error", error.message()}});
            pause.expires_after(pause_without_descriptors);
            static_cast<void>(co_await pause.async_wait(quietly));
        }
    }
}

void SmtpdServer::turn_away(tcp::socket& socket, const ListenerConfig& listener, std::string_view reply) {
    if (listener.tls != TlsMode::implicit) {
        static_cast<void>(
            ::send(socket.native_handle(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    }
}

bool SmtpdServer::has_room(const std::optional<Address>& client) {
    const char* limit = nullptr;
    if (open_ >= config_.connections) {
        limit = "a client was turned away: submission.connections is reached";
    } else if (client) {
        const auto known = clients_.find(*client);
        const std::size_t share = std::max(config_.connections / client_share, std::size_t{1});
        limit = known != clients_.end() && known->second >= share
                    ? "a client was turned away: it holds a tenth of submission.connections"
                    : nullptr;
    }
    if (limit == nullptr) {
        return true;
    }
    counts_.turned_away++;
    log::warning("CROWDED", limit,
                 {{"connections", open_}, {"client", client ? client->text() : std::string("trusted")}});
    return false;
}

void SmtpdServer::forget(const std::optional<Address>& client) {
    open_--;
    if (client && --clients_[*client] == 0) {
        clients_.erase(*client);
    }
    if (open_ == 0 && left_) {
        patience_.cancel();
        left_();
    }
}

void SmtpdServer::take(tcp::socket socket, const ListenerConfig& listener) {
    const session::ProxiedEnds ends{.client = remote_endpoint(socket.native_handle()).value_or(Endpoint{}),
                                    .server = local_endpoint(socket.native_handle()).value_or(Endpoint{})};
    const Address& address = ends.client.address;
    const bool by_balancer = std::ranges::any_of(
        listener.proxy, [&address](const Prefix& each) { return each.contains(address); });
    if (!by_balancer) {
        std::string interface;
        if (!listener.relay_interfaces.empty()) {
            interface = arrival_interface(socket.native_handle());
        }
        return take_client(std::move(socket), ends, std::move(interface), listener);
    }
    if (awaited_headers_ >= config_.connections) {
        counts_.turned_away++;
        balancer_log_.warning(
            "CROWDED", "a balancer was turned away: of submission.connections it is awaited who is behind",
            address.text());
        return turn_away(socket, listener, crowded);
    }
    awaited_headers_++;
    asio::co_spawn(context_, take_from_balancer(std::move(socket), listener), asio::detached);
}

asio::awaitable<void> SmtpdServer::take_from_balancer(tcp::socket socket, const ListenerConfig& listener) {
    const auto shared = std::make_shared<tcp::socket>(std::move(socket));
    const auto balancer = remote_endpoint(shared->native_handle()).value_or(Endpoint{}).address;
    const auto ends = co_await ends_behind(shared);
    awaited_headers_--;
    if (ends && left_) {
        turn_away(*shared, listener, leaving);
    } else if (ends) {
        take_client(std::move(*shared), *ends, {}, listener);
    } else {
        balancer_log_.warning("PROXY_WRONG", ends.error().what, balancer.text());
    }
}

void SmtpdServer::take_client(tcp::socket socket, const session::ProxiedEnds& ends, std::string interface,
                              const ListenerConfig& listener) {
    const Address& address = ends.client.address;
    std::optional<Address> client;
    if (!policy::is_trusted(listener, address, interface) && !policy::speaks_for_others(listener, address)) {
        client = sasl::subscriber_of(address);
    }
    if (policy::judge_access(config_.access, {.client = address}).kind == policy::Access::Kind::denied) {
        counts_.denied++;
        denied_log_.warning("CLIENT_DENIED", "a client was turned away: an entry denies it", address.text());
        return turn_away(socket, listener, SmtpdConnection::denied);
    }
    if (!has_room(client)) {
        return turn_away(socket, listener, crowded);
    }
    auth_.connect();
    const auto connection =
        std::make_shared<SmtpdConnection>(std::move(socket), ends, std::move(interface), services_, listener);
    if (connections_.size() > 2 * open_ + 64) {
        std::erase_if(connections_, [](const auto& each) { return each.expired(); });
    }
    connections_.push_back(connection);
    counts_.connections++;
    open_++;
    if (client) {
        clients_[*client]++;
    }
    asio::co_spawn(context_, connection->run(), [this, connection, client](const std::exception_ptr& bug) {
        forget(client);
        try {
            if (bug) {
                std::rethrow_exception(bug);
            }
        } catch (const std::exception& error) {
            log::error("CONNECTION_FAILED", "a client's connection ended by a bug, please report it",
                       {{"error", error.what()}});
            connection->close();
        }
    });
}

std::string SmtpdServer::metrics() const {
    constexpr auto counter = Metrics::Kind::counter;
    const auto put = [](Metrics& to, std::string_view name, const Metrics::Labels& labels,
                        std::uint64_t value) { to.set(name, labels, static_cast<double>(value)); };
    Metrics metrics;
    metrics.declare("sekisho_submission_connections_total", counter,
                    "Clients taken in, denied, turned away for want of room, or sent away for not waiting");
    metrics.declare("sekisho_submission_connections", Metrics::Kind::gauge, "Clients that are connected");
    metrics.declare("sekisho_submission_tls_failures_total", counter, "TLS handshakes that failed");
    metrics.declare("sekisho_submission_logins_total", counter, "Logins that were tried, by result");
    metrics.declare("sekisho_submission_senders_refused_total", counter,
                    "MAIL commands that the rules refused, see sekisho why-relay");
    metrics.declare("sekisho_submission_recipients_refused_total", counter,
                    "RCPT commands that were refused, by why");
    metrics.declare("sekisho_submission_messages_total", counter, "Messages, by what became of them");
    put(metrics, "sekisho_submission_connections_total", {{"result", "accepted"}}, counts_.connections);
    put(metrics, "sekisho_submission_connections_total", {{"result", "turned_away"}}, counts_.turned_away);
    put(metrics, "sekisho_submission_connections_total", {{"result", "denied"}}, counts_.denied);
    put(metrics, "sekisho_submission_connections_total", {{"result", "spoke_first"}}, counts_.spoke_first);
    put(metrics, "sekisho_submission_connections", {}, open_);
    put(metrics, "sekisho_submission_tls_failures_total", {}, counts_.tls_failed);
    put(metrics, "sekisho_submission_logins_total", {{"result", "right"}}, counts_.right);
    put(metrics, "sekisho_submission_logins_total", {{"result", "wrong"}}, counts_.wrong);
    put(metrics, "sekisho_submission_logins_total", {{"result", "locked"}}, counts_.locked);
    put(metrics, "sekisho_submission_logins_total", {{"result", "not_allowed"}}, counts_.not_allowed);
    put(metrics, "sekisho_submission_logins_total", {{"result", "unavailable"}}, counts_.unavailable);
    put(metrics, "sekisho_submission_senders_refused_total", {}, counts_.may_not_send);
    put(metrics, "sekisho_submission_recipients_refused_total", {{"reason", "relay"}}, counts_.elsewhere);
    put(metrics, "sekisho_submission_recipients_refused_total", {{"reason", "mailbox"}}, counts_.no_mailbox);
    put(metrics, "sekisho_submission_messages_total", {{"result", "accepted"}}, counts_.accepted);
    put(metrics, "sekisho_submission_messages_total", {{"result", "refused"}}, counts_.refused);
    return metrics.text();
}

}  // namespace sekisho
