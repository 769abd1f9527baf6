// SPDX-License-Identifier: Apache-2.0
#include "smtpd/message/envelope.h"

#include <gtest/gtest.h>

namespace sekisho::message {
namespace {

TEST(Domain, IsWhatStandsBehindTheLastAt) {
    EXPECT_EQ(domain_of("bob@Example.COM"), "example.com");
    EXPECT_EQ(domain_of("\"bob@example.net\"@example.com"), "example.com");
    EXPECT_EQ(domain_of("bob@[IPv6:2001:DB8::1]"), "[ipv6:2001:db8::1]");
    EXPECT_EQ(domain_of("bob"), "");
    EXPECT_EQ(domain_of(""), "");
    EXPECT_EQ(domain_of("bob@"), "");
}

}  // namespace
}  // namespace sekisho::message
