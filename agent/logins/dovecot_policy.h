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
#include "agent/logins/gate.h"
#include "agent/logins/policy_request.h"
#include "agent/logins/reporters.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// Listens for one [[login.dovecot]] section. A login goes on unless the gate refuses it, whatever becomes of
// the grant: it is answered status 0, after the grant is in force and on the disk. What the gate refuses is
// never granted on.
class DovecotPolicy {
public:
    // `config` and `gate`, which several listeners share, must outlive the object. Failure::invalid for a key
    // file that is unfit, Failure::conflict for a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<DovecotPolicy>> listen(
        const boost::asio::any_io_executor& executor, const DovecotConfig& config, OnLogin on_login,
        Settled settled, Gate& gate);

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] const Counts& counts() const { return reporters_.counts(); }
    [[nodiscard]] api::HttpCounts http_counts() const;
    [[nodiscard]] std::uint16_t port() const { return server_ ? server_->port() : 0; }

private:
    DovecotPolicy(const DovecotConfig& config, Reporters reporters, Settled settled, Gate& gate);

    [[nodiscard]] api::Response answer(const api::Request& request);
    [[nodiscard]] api::Response reject(int status, std::string_view name, const Error& error,
                                       const api::Peer& peer);
    [[nodiscard]] Gate::Answer judge(const PolicyRequest& request, const api::Peer& peer);
    void grant(const PolicyRequest& request, const api::Peer& peer);

    const DovecotConfig& config_;
    Reporters reporters_;
    Settled settled_;
    Gate& gate_;
    std::optional<api::HttpServer> server_;
};

}  // namespace sekisho::logins
