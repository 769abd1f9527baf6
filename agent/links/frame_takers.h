// SPDX-License-Identifier: Apache-2.0
// Which drivers send what XDP redirects to them.
#pragma once

#include <set>

#include "agent/base/result.h"

namespace sekisho::links {

// The indexes of the interfaces of this network namespace that take frames from XDP (NETDEV_XDP_ACT_NDO_XMIT
// in Linux's Documentation/netlink/specs/netdev.yaml). An interface can begin and cease to: a veth does with
// what its other end does. Failure::unavailable where the kernel can't tell (before Linux 6.3).
[[nodiscard]] Result<std::set<unsigned>> frame_takers();

}  // namespace sekisho::links
