// SPDX-License-Identifier: Apache-2.0
// A listener for Stalwart's webhook.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/recent_logins.h"
#include "agent/logins/reporters.h"
#include "agent/logins/source.h"
#include "agent/logins/webhook_request.h"

namespace sekisho::logins {

// Listens for one [[login.stalwart]] section. A delivery that is signed and can be read is answered 200,
// after its grants are in force and on the disk, and whatever becomes of them: Stalwart sends it again and
// again after anything else.
class StalwartWebhook {
public:
    // `config` must outlive the object, and the object whatever runs on the executor. Failure::invalid for a
    // key file that is unfit, Failure::conflict for a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<StalwartWebhook>> listen(
        const boost::asio::any_io_executor& executor, const StalwartConfig& config, OnLogin on_login,
        Settled settled);

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const Counts& counts() const { return reporters_.counts(); }
    [[nodiscard]] api::HttpCounts http_counts() const;
    [[nodiscard]] std::uint16_t port() const { return server_ ? server_->port() : 0; }

private:
    StalwartWebhook(const StalwartConfig& config, Reporters reporters, Settled settled);

    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);
    [[nodiscard]] api::Response reject(int status, std::string_view name, const Error& error,
                                       const api::Peer& peer);
    void report(const WebhookLogin& login);

    const StalwartConfig& config_;
    Reporters reporters_;
    Settled settled_;
    RecentLogins recent_;
    std::optional<api::HttpServer> server_;
};

}  // namespace sekisho::logins
