// SPDX-License-Identifier: Apache-2.0
// The kernel's netdev family of generic netlink, asked by libnl-genl.
#include "agent/links/frame_takers.h"

#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <array>
#include <cstdint>
#include <memory>

namespace sekisho::links {

namespace {

// linux/netdev.h, which Debian 12 lacks.
constexpr int netdev_version = 1;
constexpr int netdev_cmd_dev_get = 1;
constexpr int netdev_a_dev_ifindex = 1;
constexpr int netdev_a_dev_xdp_features = 3;
constexpr int netdev_a_dev_max = 3;
constexpr std::uint64_t netdev_xdp_act_ndo_xmit = 4;

std::unexpected<Error> cannot_tell(int error) {
    return fail(
        Failure::unavailable,
        std::string("the kernel doesn't tell which interfaces take frames from XDP: ") + nl_geterror(error),
        "the fast path needs Linux 6.3 or newer; without it, packets go by the stack");
}

int note_device(nl_msg* message, void* found) {
    std::array<nlattr*, netdev_a_dev_max + 1> device{};
    if (genlmsg_parse(nlmsg_hdr(message), 0, device.data(), netdev_a_dev_max, nullptr) == 0 &&
        device[netdev_a_dev_ifindex] != nullptr && device[netdev_a_dev_xdp_features] != nullptr &&
        (nla_get_u64(device[netdev_a_dev_xdp_features]) & netdev_xdp_act_ndo_xmit) != 0) {
        static_cast<std::set<unsigned>*>(found)->insert(nla_get_u32(device[netdev_a_dev_ifindex]));
    }
    return NL_OK;
}

}  // namespace

Result<std::set<unsigned>> frame_takers() {
    const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
    const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc(), nlmsg_free);
    if (!socket || !message) {
        return cannot_tell(-NLE_NOMEM);
    }
    if (const int failed = genl_connect(socket.get()); failed != 0) {
        return cannot_tell(failed);
    }
    const int family = genl_ctrl_resolve(socket.get(), "netdev");
    if (family < 0) {
        return cannot_tell(family);
    }
    std::set<unsigned> takers;
    nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, &note_device, &takers);
    if (genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP, netdev_cmd_dev_get,
                    netdev_version) == nullptr) {
        return cannot_tell(-NLE_NOMEM);
    }
    if (const int failed = nl_send_auto(socket.get(), message.get()); failed < 0) {
        return cannot_tell(failed);
    }
    if (const int failed = nl_recvmsgs_default(socket.get()); failed != 0) {
        return cannot_tell(failed);
    }
    return takers;
}

}  // namespace sekisho::links
