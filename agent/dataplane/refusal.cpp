// SPDX-License-Identifier: Apache-2.0
// libbpf tells why it failed only in its log: its warnings are kept and become part of the error.
#include "agent/dataplane/refusal.h"

#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <system_error>
#include <utility>

namespace sekisho::dataplane {

namespace {

constexpr std::size_t longest = 2000;

std::string& kept() {
    thread_local std::string text;
    return text;
}

// The last lines are the ones that say why; a verifier's log before them may be long.
int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) {
        return 0;
    }
    std::array<char, longest> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    kept() += line.data();
    if (kept().size() > longest) {
        kept().erase(0, kept().size() - longest);
    }
    return length;
}

}  // namespace

std::string error_text(int error) {
    return std::generic_category().message(error < 0 ? -error : error);
}

std::string why_no_xdp(int error, const Device& device) {
    constexpr int usual_mtu = 1500;
    if (error == ENOSPC) {
        // veth_xdp_set() of the kernel, and drivers that want a queue for each CPU to send answers from.
        return "too few queues: `ethtool -l " + device.name +
               "`; XDP needs a transmit queue for each CPU, and a veth as many receive queues as its peer "
               "has "
               "transmit queues";
    }
    const std::string no_remedy = error == EOPNOTSUPP ? "the driver has no native XDP" : error_text(error);
    std::string why;
    const auto add = [&why](const std::string& more) { why += (why.empty() ? "" : "; ") + more; };
    if (device.lro) {
        add("the device merges segments: `ethtool -K " + device.name + " lro off`");
    }
    if (error == EOPNOTSUPP && device.driver == "virtio_net") {
        // virtnet_xdp_set() of the kernel: the host merges segments, and can't be told not to.
        add("virtio's guest offloads are on (start the guest with guest_tso4=off, guest_tso6=off, "
            "guest_ecn=off, guest_ufo=off and guest_csum=off)");
    }
    if (error == ERANGE || (error == EINVAL && device.mtu > usual_mtu)) {
        add("the MTU " + (device.mtu == 0 ? "" : "of " + std::to_string(device.mtu) + " ") +
            "is too large for the driver's XDP: `ip link set " + device.name + " mtu " +
            std::to_string(usual_mtu) + "`");
    }
    return why.empty() ? no_remedy : why;
}

void keep_refusals() {
    kept().clear();
    libbpf_set_print(&keep);
}

std::unexpected<Error> refused(const std::string& what, int error) {
    std::string remedy;
    if (error == EPERM || error == EACCES) {
        remedy = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; see `sekisho doctor`";
    } else if (error == ENOSYS || error == EOPNOTSUPP || error == EINVAL) {
        remedy =
            "the kernel lacks a feature of BPF: 6.1 or newer with CONFIG_BPF_SYSCALL is needed; see `sekisho "
            "doctor`";
    } else if (error == ENOMEM) {
        remedy = "free memory, or lower dataplane.max_entries or dataplane.max_flows";
    }
    std::string detail = std::exchange(kept(), {});
    while (!detail.empty() && detail.back() == '\n') {
        detail.pop_back();
    }
    return fail(Failure::unavailable,
                what + ": " + error_text(error) + (detail.empty() ? std::string() : " (" + detail + ")"),
                std::move(remedy));
}

}  // namespace sekisho::dataplane
