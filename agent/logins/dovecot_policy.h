// SPDX-License-Identifier: Apache-2.0
// A listener for Dovecot's auth policy protocol.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/policy_request.h"
#include "agent/logins/reporters.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// Listens for one [[login.dovecot]] section. Whatever it thinks of a request, the login itself goes on: it
// answers status 0, after the grant is in force.
class DovecotPolicy {
public:
    // `config` must outlive the object. Failure::invalid for a key file that is unfit, Failure::conflict for
    // a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<DovecotPolicy>> listen(
        const boost::asio::any_io_executor& executor, const DovecotConfig& config, OnLogin on_login);

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const Counts& counts() const { return reporters_.counts(); }
    [[nodiscard]] api::HttpCounts http_counts() const;
    [[nodiscard]] std::uint16_t port() const { return server_ ? server_->port() : 0; }

private:
    DovecotPolicy(const DovecotConfig& config, Reporters reporters);

    [[nodiscard]] api::Response answer(const api::Request& request);
    [[nodiscard]] api::Response reject(int status, std::string_view name, const Error& error,
                                       const api::Peer& peer);
    void judge(const PolicyRequest& request, const api::Peer& peer);

    const DovecotConfig& config_;
    Reporters reporters_;
    std::optional<api::HttpServer> server_;
};

}  // namespace sekisho::logins
