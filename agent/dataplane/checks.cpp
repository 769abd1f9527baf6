// SPDX-License-Identifier: Apache-2.0
// What `doctor` asks of the kernel and of the interfaces.
#include <linux/ethtool.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/kernel.h"

namespace sekisho::dataplane {

namespace {

constexpr int oldest_major = 6;
constexpr int oldest_minor = 1;

Check kernel_version() {
    utsname names{};
    ::uname(&names);
    int major = 0;
    int minor = 0;
    std::sscanf(names.release, "%d.%d", &major,
                &minor);  // NOLINT(cert-err34-c): 0.0 is old enough to complain
    const bool ok = major > oldest_major || (major == oldest_major && minor >= oldest_minor);
    return {.name = "kernel-version",
            .ok = ok,
            .detail = names.release,
            .remedy = ok ? "" : "boot a kernel of 6.1 or newer"};
}

Check bpf_file_system(const std::filesystem::path& pin_path) {
    // The agent made it when it started: where it is gone, the pins are gone, too.
    struct statfs facts{};
    const bool there = ::statfs(pin_path.c_str(), &facts) == 0;
    const bool ok = there && facts.f_type == BPF_FS_MAGIC;
    return {.name = "bpf-file-system",
            .ok = ok,
            .detail = pin_path.string() + (ok      ? " is in a BPF file system"
                                           : there ? " is in no BPF file system"
                                                   : " is gone, and with it what survives a restart"),
            .remedy = ok ? "" : "mount -t bpf bpf /sys/fs/bpf, then restart sekishod"};
}

Check btf() {
    const bool ok = ::access("/sys/kernel/btf/vmlinux", R_OK) == 0;
    return {.name = "kernel-btf",
            .ok = ok,
            .detail = ok ? "/sys/kernel/btf/vmlinux" : "/sys/kernel/btf/vmlinux can't be read",
            .remedy = ok ? "" : "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are"};
}

Check jit() {
    std::ifstream file("/proc/sys/net/core/bpf_jit_enable");
    int value = 0;
    // Absent where the kernel was built with the JIT always on and no way to switch it.
    const bool ok = !(file >> value) || value != 0;
    return {.name = "bpf-jit",
            .ok = ok,
            .detail = ok ? "on" : "off: programs are interpreted, many times slower",
            .remedy = ok ? "" : "sysctl -w net.core.bpf_jit_enable=1"};
}

// Asks a device's driver; `question` begins with the command.
bool ask_driver(const std::string& interface, void* question) {
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(question);
    return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

// The ethtool flags of a device: -1 if it can't be told.
int device_flags(const std::string& interface) {
    ethtool_value value{};
    value.cmd = ETHTOOL_GFLAGS;
    return ask_driver(interface, &value) ? static_cast<int>(value.data) : -1;
}

}  // namespace

std::string driver_of(const std::string& interface) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    if (!ask_driver(interface, &info)) {
        return {};
    }
    return {std::begin(info.driver), std::ranges::find(info.driver, '\0')};
}

std::vector<Check> check_kernel(const std::filesystem::path& pin_path) {
    return {kernel_version(), btf(), bpf_file_system(pin_path), jit()};
}

std::vector<Check> check_interface(const Attachment& attachment) {
    std::vector<Check> checks;
    checks.push_back({.name = "attached-" + attachment.interface,
                      .ok = true,
                      .detail = attachment.mode + ": " + attachment.why,
                      .remedy = ""});
    if (!attachment.mode.starts_with("xdp")) {
        return checks;
    }
    // A tag that the device strips is invisible to XDP: the packet would be judged as untagged, and a
    // reset would leave untagged.
    const int flags = device_flags(attachment.interface);
    const bool stripped = flags > 0 && (flags & ETH_FLAG_RXVLAN) != 0;
    checks.push_back(
        {.name = "vlan-offload-" + attachment.interface,
         .ok = !stripped,
         .detail = stripped ? "the device strips VLAN tags before XDP sees them" : "off",
         .remedy = stripped ? "ethtool -K " + attachment.interface + " rxvlan off, or attach = \"tc\"" : ""});
    const bool lro = flags > 0 && (flags & ETH_FLAG_LRO) != 0;
    checks.push_back({.name = "lro-" + attachment.interface,
                      .ok = !lro,
                      .detail = lro ? "on" : "off",
                      .remedy = lro ? "ethtool -K " + attachment.interface + " lro off" : ""});
    return checks;
}

}  // namespace sekisho::dataplane
