// SPDX-License-Identifier: Apache-2.0
// NFT_MSG_GETOBJ by libnl.
#include "tests/bench/nft_counter.h"

#include <endian.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

// Behind libnl's, whose <netinet/in.h> must come before <linux/in.h>.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <memory>
#include <optional>

#include "tests/bench/arena.h"

namespace sekisho::bench {
namespace {

int read_packets(nl_msg* message, void* found) {
    std::array<nlattr*, NFTA_OBJ_MAX + 1> object{};
    std::array<nlattr*, NFTA_COUNTER_MAX + 1> counter{};
    if (nlmsg_parse(nlmsg_hdr(message), sizeof(nfgenmsg), object.data(), NFTA_OBJ_MAX, nullptr) == 0 &&
        object[NFTA_OBJ_DATA] != nullptr &&
        nla_parse_nested(counter.data(), NFTA_COUNTER_MAX, object[NFTA_OBJ_DATA], nullptr) == 0 &&
        counter[NFTA_COUNTER_PACKETS] != nullptr) {
        *static_cast<std::optional<std::uint64_t>*>(found) =
            be64toh(nla_get_u64(counter[NFTA_COUNTER_PACKETS]));
    }
    return NL_OK;
}

}  // namespace

std::uint64_t nft_packets(const std::string& table, const std::string& name) {
    const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
    const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(
        nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ, 0), nlmsg_free);
    const nfgenmsg header{.nfgen_family = NFPROTO_NETDEV, .version = NFNETLINK_V0, .res_id = 0};
    std::optional<std::uint64_t> packets;
    if (nl_connect(socket.get(), NETLINK_NETFILTER) != 0 ||
        nlmsg_append(message.get(), const_cast<nfgenmsg*>(&header), sizeof(header), NLMSG_ALIGNTO) != 0 ||
        nla_put_string(message.get(), NFTA_OBJ_TABLE, table.c_str()) != 0 ||
        nla_put_string(message.get(), NFTA_OBJ_NAME, name.c_str()) != 0 ||
        nla_put_u32(message.get(), NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER)) != 0 ||
        nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, read_packets, &packets) != 0 ||
        nl_send_auto(socket.get(), message.get()) < 0 || nl_recvmsgs_default(socket.get()) < 0 || !packets) {
        give_up("reading the counter of nftables");
    }
    return *packets;
}

}  // namespace sekisho::bench
