// SPDX-License-Identifier: Apache-2.0
// sekisho-smtpd: the listeners and their connections. Internal to sekisho-smtpd.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/descriptor.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "smtpd/connection.h"
#include "smtpd/submission_api.h"

namespace sekisho {

class SmtpdServer {
public:
    // Opens ports and reads the key, as long as it is somebody who may; takes the socket for administration
    // that systemd has opened ("submission-admin") or opens it; becomes config.submission.user; and serves.
    // `config` outlives the object. Errors are those of listen_tcp, server_tls, passed_or_own and
    // drop_privileges, and what SenderFile::open says.
    [[nodiscard]] static Result<std::shared_ptr<SmtpdServer>> start(boost::asio::io_context& context,
                                                                    const Config& config);
    // Takes nobody in any more, and ends each connection with 421 after the message in hand, or after
    // `patience` at the latest; then `left` is called.
    void leave(std::chrono::seconds patience, std::function<void()> left);

    SmtpdServer(const SmtpdServer&) = delete;
    SmtpdServer& operator=(const SmtpdServer&) = delete;
    ~SmtpdServer();

private:
    struct Port;

    SmtpdServer(boost::asio::io_context& context, const Config& config, Certificates certificates,
                SenderFile senders);
    void serve(const ListenerConfig& listener, Descriptor socket);
    // SIGHUP reads the certificates again.
    void await_reload();
    void serve_admins(std::vector<Descriptor> sockets);
    boost::asio::awaitable<void> accept_all(std::shared_ptr<Port> port);
    void take(boost::asio::ip::tcp::socket socket, const ListenerConfig& listener);
    boost::asio::awaitable<void> take_from_balancer(boost::asio::ip::tcp::socket socket,
                                                    const ListenerConfig& listener);
    void take_client(boost::asio::ip::tcp::socket socket, const session::ProxiedEnds& ends,
                     std::string interface, const ListenerConfig& listener);
    void forget(const std::optional<Address>& client);
    // Tells the client why it is not taken in, without waiting: who doesn't take one line at once isn't told,
    // nor is who expects TLS from the first octet.
    static void turn_away(boost::asio::ip::tcp::socket& socket, const ListenerConfig& listener,
                          std::string_view reply);
    [[nodiscard]] bool has_room(const std::optional<Address>& client);
    [[nodiscard]] std::string metrics() const;

    boost::asio::io_context& context_;
    SubmissionConfig config_;  // with the host's name
    Certificates certificates_;
    sasl::AuthClient auth_;
    handoff::HandoffClient relay_;
    SenderFile senders_;
    std::optional<AgentLink> agent_;
    SmtpdCounts counts_;
    log::Quiet denied_log_{"submission.access"};
    log::Quiet balancer_log_{"submission.listener"};
    std::array<char, 16384> scratch_{};
    SmtpdServices services_;
    SubmissionApi api_;
    std::vector<api::HttpServer> admin_;
    std::vector<std::shared_ptr<Port>> ports_;
    std::vector<std::weak_ptr<SmtpdConnection>> connections_;
    std::map<Address, std::size_t> clients_;  // connections of each that isn't trusted; IPv6: /64
    std::size_t open_ = 0;
    std::size_t awaited_headers_ = 0;  // of balancers
    std::function<void()> left_;       // set: it is leaving
    boost::asio::steady_timer patience_;
    boost::asio::signal_set reload_;
};

}  // namespace sekisho
