// SPDX-License-Identifier: Apache-2.0
// What both kinds of listeners do alike.
#include "agent/logins/syslog_source.h"

#include <algorithm>
#include <utility>

namespace sekisho::logins {

Result<std::unique_ptr<SyslogSource>> SyslogSource::listen(const boost::asio::any_io_executor& executor,
                                                           const SyslogConfig& config, OnLogin on_login) {
    auto patterns = patterns_of(config, "login.syslog");
    if (!patterns) {
        return std::unexpected(patterns.error());
    }
    const auto kind = config.transport == SyslogTransport::udp ? &listen_for_datagrams : &listen_for_streams;
    return kind(executor, config, std::move(*patterns), std::move(on_login));
}

SyslogSource::SyslogSource(const SyslogConfig& config, LogPatterns patterns, OnLogin on_login)
    : config_(config),
      logins_(config, config.from_stamp ? TimeOf::stamp : TimeOf::arrival, std::move(patterns),
              std::move(on_login)),
      quiet_(config.name) {}

Counts SyslogSource::counts() const {
    Counts counts = logins_.counts();
    counts.rejected = rejected_;
    return counts;
}

bool SyslogSource::admits(const Address& sender) {
    const bool known =
        config_.senders.empty() || std::ranges::any_of(config_.senders, [&sender](const Prefix& prefix) {
            return prefix.contains(sender);
        });
    if (!known) {
        reject("SYSLOG_STRANGER", "syslog from an address that is not among the senders", sender.text());
    }
    return known;
}

void SyslogSource::reject(std::string_view log_name, std::string_view what, std::string_view peer) {
    rejected_++;
    quiet_.warning(log_name, what, peer);
}

void SyslogSource::add_lost(std::uint64_t datagrams) {
    lost_ += datagrams;
    quiet_.warning("SYSLOG_LOST", "more datagrams came than could be read; what they told is not known",
                   std::to_string(datagrams) + " datagrams");
}

}  // namespace sekisho::logins
