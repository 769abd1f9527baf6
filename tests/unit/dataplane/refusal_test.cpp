// SPDX-License-Identifier: Apache-2.0
// Why a driver has no XDP: each says it in its own way.
#include "agent/dataplane/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace sekisho::dataplane {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(WhyNoXdp, NoSuchThing) {
    EXPECT_EQ(why_no_xdp(EOPNOTSUPP, {.name = "eth0", .driver = "e1000e", .mtu = 1500}),
              "the driver has no native XDP");
    EXPECT_EQ(why_no_xdp(EOPNOTSUPP, {.name = "eth0", .driver = "e1000e", .mtu = 9000}),
              "the driver has no native XDP");
    EXPECT_EQ(why_no_xdp(EINVAL, {.name = "eth0", .driver = "bnxt_en", .mtu = 1500}), "Invalid argument");
}

TEST(WhyNoXdp, MergedSegments) {
    for (const int error : {EOPNOTSUPP, EINVAL}) {  // mlx5e_xdp_allowed() says EINVAL
        EXPECT_THAT(why_no_xdp(error, {.name = "eth0", .driver = "mlx5_core", .lro = true, .mtu = 1500}),
                    AllOf(HasSubstr("ethtool -K eth0 lro off"), Not(HasSubstr("mtu"))));
    }
}

TEST(WhyNoXdp, TooLargePackets) {
    for (const int error : {ERANGE, EINVAL}) {  // veth says ERANGE, virtio_net and i40e say EINVAL
        EXPECT_EQ(why_no_xdp(error, {.name = "eth0", .driver = "i40e", .mtu = 9000}),
                  "the MTU of 9000 is too large for the driver's XDP: `ip link set eth0 mtu 1500`");
    }
    EXPECT_THAT(why_no_xdp(ERANGE, {.name = "eth0", .driver = "", .mtu = 0}),
                HasSubstr("the MTU is too large"));
    EXPECT_THAT(why_no_xdp(EINVAL, {.name = "eth0", .driver = "mlx5_core", .lro = true, .mtu = 9000}),
                AllOf(HasSubstr("lro off"), HasSubstr("mtu 1500")));
}

TEST(WhyNoXdp, VirtioAndQueues) {
    EXPECT_THAT(why_no_xdp(EOPNOTSUPP, {.name = "eth0", .driver = "virtio_net", .mtu = 1500}),
                HasSubstr("guest_tso4=off"));
    EXPECT_THAT(why_no_xdp(EINVAL, {.name = "eth0", .driver = "virtio_net", .mtu = 9000}),
                AllOf(HasSubstr("mtu 1500"), Not(HasSubstr("guest_tso4"))));
    EXPECT_THAT(why_no_xdp(ENOSPC, {.name = "eth0", .driver = "veth", .lro = true, .mtu = 9000}),
                AllOf(HasSubstr("too few queues"), Not(HasSubstr("lro"))));
}

}  // namespace
}  // namespace sekisho::dataplane
