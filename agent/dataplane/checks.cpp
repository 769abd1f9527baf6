// SPDX-License-Identifier: Apache-2.0
// What `doctor` asks of the kernel and of the interfaces.
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>

#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/kernel.h"
#include "agent/dataplane/offloads.h"

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

}  // namespace

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
    // They were switched off when it was attached: somebody has switched one on since.
    const auto on = harmful_offloads(attachment.interface);
    const auto check = [&](const std::string& offload, const std::string& name, const std::string& harm) {
        const bool ok = std::ranges::find(on, offload) == on.end();
        checks.push_back({.name = name + "-" + attachment.interface,
                          .ok = ok,
                          .detail = ok ? "off" : harm,
                          .remedy = ok ? "" : "ethtool -K " + attachment.interface + " " + offload + " off"});
    };
    check("rxvlan", "vlan-offload", "the device takes VLAN tags off before XDP sees them");
    check("lro", "lro", "the device merges segments before XDP sees them");
    return checks;
}

}  // namespace sekisho::dataplane
