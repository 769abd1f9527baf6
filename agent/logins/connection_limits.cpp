// SPDX-License-Identifier: Apache-2.0
#include "agent/logins/connection_limits.h"

namespace sekisho::logins {

std::size_t most_connections(const Config& config) {
    std::size_t count =
        config.dovecot.size() * most_policy_connections + config.stalwart.size() * most_webhook_connections;
    for (const SyslogConfig& each : config.syslog) {
        count += each.transport == SyslogTransport::udp   ? 0
                 : each.transport == SyslogTransport::tls ? 2 * most_syslog_connections
                                                          : most_syslog_connections;
    }
    return count;
}

}  // namespace sekisho::logins
