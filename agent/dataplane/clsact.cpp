// SPDX-License-Identifier: Apache-2.0
// By libbpf, but for the names: those the kernel tells whoever asks by rtnetlink, and by a program's id only
// who has CAP_SYS_ADMIN.
#include "agent/dataplane/clsact.h"

#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

namespace sekisho::dataplane {

namespace {

// Our place among a device's clsact filters.
constexpr std::uint32_t clsact_handle = 0x5e;
constexpr std::uint32_t clsact_priority = 25;

bpf_tc_hook clsact_hook(unsigned index) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(index);
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

bpf_tc_opts clsact_place() {
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = clsact_handle;
    options.priority = clsact_priority;
    return options;
}

// libbpf calls a filter by its program's name and id: "subscriber_tc:[17]".
bool is_ours(std::string_view name) {
    return std::ranges::any_of(std::array{"subscriber_tc", "validated_tc", "uplink_tc"},
                               [name](std::string_view ours) { return name.starts_with(ours); });
}

int note_filter(nl_msg* message, void* found) {
    nlmsghdr* const header = nlmsg_hdr(message);
    std::array<nlattr*, TCA_MAX + 1> filter{};
    std::array<nlattr*, TCA_BPF_MAX + 1> program{};
    if (header->nlmsg_type != RTM_NEWTFILTER ||
        nlmsg_parse(header, sizeof(tcmsg), filter.data(), TCA_MAX, nullptr) != 0 ||
        filter[TCA_KIND] == nullptr || std::string_view(nla_get_string(filter[TCA_KIND])) != "bpf" ||
        filter[TCA_OPTIONS] == nullptr ||
        nla_parse_nested(program.data(), TCA_BPF_MAX, filter[TCA_OPTIONS], nullptr) != 0) {
        return NL_OK;
    }
    const auto* const place = static_cast<const tcmsg*>(nlmsg_data(header));
    const nlattr* const name = program[TCA_BPF_NAME];
    if (place->tcm_handle == clsact_handle && TC_H_MAJ(place->tcm_info) >> 16U == clsact_priority &&
        name != nullptr && is_ours(nla_get_string(name))) {
        *static_cast<bool*>(found) = true;
    }
    return NL_OK;
}

// Whether a filter of ours is on the device. By a socket of its own: what a question that failed has left
// would be taken for the answer to the next one.
bool is_filtered(unsigned index) {
    const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
    if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0) {
        return false;
    }
    const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> question(
        nlmsg_alloc_simple(RTM_GETTFILTER, NLM_F_DUMP), nlmsg_free);
    tcmsg device{};
    device.tcm_family = AF_UNSPEC;
    device.tcm_ifindex = static_cast<int>(index);
    device.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    bool found = false;
    nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, &note_filter, &found);
    return question && nlmsg_append(question.get(), &device, sizeof(device), NLMSG_ALIGNTO) == 0 &&
           nl_send_auto(socket.get(), question.get()) >= 0 && nl_recvmsgs_default(socket.get()) == 0 && found;
}

}  // namespace

int make_clsact(unsigned index, int program) {
    bpf_tc_hook hook = clsact_hook(index);
    if (const int failed = bpf_tc_hook_create(&hook); failed != 0 && failed != -EEXIST) {
        return -failed;
    }
    bpf_tc_opts options = clsact_place();
    options.prog_fd = program;
    options.flags = BPF_TC_F_REPLACE;
    return -bpf_tc_attach(&hook, &options);
}

bool remove_clsact(unsigned index) {
    const bpf_tc_hook hook = clsact_hook(index);
    const bpf_tc_opts options = clsact_place();
    return bpf_tc_detach(&hook, &options) == 0;
}

std::uint32_t clsact_program_on(unsigned index) {
    const bpf_tc_hook hook = clsact_hook(index);
    bpf_tc_opts options = clsact_place();
    return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

std::vector<unsigned> filtered_interfaces() {
    std::vector<unsigned> indexes;
    const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> all(::if_nameindex(),
                                                                                  ::if_freenameindex);
    for (const struct if_nameindex* each = all.get(); each != nullptr && each->if_index != 0; ++each) {
        if (is_filtered(each->if_index)) {
            indexes.push_back(each->if_index);
        }
    }
    return indexes;
}

}  // namespace sekisho::dataplane
