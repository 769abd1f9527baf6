// SPDX-License-Identifier: Apache-2.0
#include "agent/logins/connection_limits.h"

#include <gtest/gtest.h>

namespace sekisho::logins {
namespace {

SyslogConfig over(SyslogTransport transport) {
    SyslogConfig config;
    config.transport = transport;
    return config;
}

TEST(ConnectionLimits, AreThoseOfAllListeners) {
    Config config;
    EXPECT_EQ(most_connections(config), 0U);
    config.dovecot.resize(3);
    EXPECT_EQ(most_connections(config), 768U);
    config.stalwart.resize(2);
    EXPECT_EQ(most_connections(config), 832U);
    config.syslog = {over(SyslogTransport::udp), over(SyslogTransport::tcp), over(SyslogTransport::tls)};
    EXPECT_EQ(most_connections(config), 832U + 64U + 128U);
}

}  // namespace
}  // namespace sekisho::logins
