// SPDX-License-Identifier: Apache-2.0
// Syslog from other hosts as a source of logins.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/config.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "agent/logins/line_logins.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// A listener of one [[login.syslog]] section: datagrams, or connections with or without TLS. A message may be
// of RFC 3164 or 5424. Not thread-safe.
class SyslogSource {
public:
    // `config` must outlive the object. Failure::invalid for a pattern that is none, or a certificate or key
    // that can't be used; Failure::conflict for a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<SyslogSource>> listen(
        const boost::asio::any_io_executor& executor, const SyslogConfig& config, OnLogin on_login);

    SyslogSource(const SyslogSource&) = delete;
    SyslogSource& operator=(const SyslogSource&) = delete;
    virtual ~SyslogSource() = default;

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] Counts counts() const;
    // Messages that were read, since the start.
    [[nodiscard]] std::uint64_t lines() const { return logins_.lines(); }
    // Datagrams that the kernel threw away because more came than were read; they may have been logins.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }
    // The port listened on.
    [[nodiscard]] virtual std::uint16_t port() const = 0;

protected:
    SyslogSource(const SyslogConfig& config, LogPatterns patterns, OnLogin on_login);

    // Whether this address may speak at all; a stranger is counted and warned of.
    [[nodiscard]] bool admits(const Address& sender);
    void take(std::string_view message) { logins_.take(message); }
    // Counts what can't be understood, and warns of it.
    void reject(std::string_view log_name, std::string_view what, std::string_view peer);
    void add_lost(std::uint64_t datagrams);

private:
    const SyslogConfig& config_;
    LineLogins logins_;
    log::Quiet quiet_;
    std::uint64_t rejected_ = 0;
    std::uint64_t lost_ = 0;
};

// The two kinds of it.
[[nodiscard]] Result<std::unique_ptr<SyslogSource>> listen_for_datagrams(
    const boost::asio::any_io_executor& executor, const SyslogConfig& config, LogPatterns patterns,
    OnLogin on_login);
[[nodiscard]] Result<std::unique_ptr<SyslogSource>> listen_for_streams(
    const boost::asio::any_io_executor& executor, const SyslogConfig& config, LogPatterns patterns,
    OnLogin on_login);

}  // namespace sekisho::logins
