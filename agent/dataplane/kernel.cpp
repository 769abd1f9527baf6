// SPDX-License-Identifier: Apache-2.0
// Loads the objects; maps are shared through their pins.
#include "agent/dataplane/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/statfs.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <system_error>

#include "bpf/sekisho_abi.h"
#include "tc.skel.h"
#include "xdp.skel.h"

namespace sekisho::dataplane {

namespace {

// libbpf tells why it failed only in its log: its warnings are kept and become part of the error.
class LibbpfLog {
public:
    LibbpfLog() {
        text().clear();
        libbpf_set_print(&keep);
    }

    static std::string take() { return std::exchange(text(), {}); }

private:
    static constexpr std::size_t longest = 2000;

    static std::string& text() {
        thread_local std::string kept;
        return kept;
    }

    // The last lines are the ones that say why; a verifier's log before them may be long.
    static int keep(libbpf_print_level level, const char* format, va_list arguments) {
        if (level != LIBBPF_WARN) {
            return 0;
        }
        std::array<char, longest> line{};
        const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
        text() += line.data();
        if (text().size() > longest) {
            text().erase(0, text().size() - longest);
        }
        return length;
    }
};

std::unexpected<Error> refused(const std::string& what, int error) {
    std::string remedy;
    if (error == EPERM || error == EACCES) {
        remedy = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; see `sekisho doctor`";
    } else if (error == ENOSYS || error == EOPNOTSUPP || error == EINVAL) {
        remedy =
            "the kernel lacks a feature of BPF: 6.1 or newer with CONFIG_BPF_SYSCALL is needed; see `sekisho "
            "doctor`";
    } else if (error == ENOMEM) {
        remedy = "free memory, or lower dataplane.max_entries";
    }
    std::string detail = LibbpfLog::take();
    while (!detail.empty() && detail.back() == '\n') {
        detail.pop_back();
    }
    return fail(Failure::unavailable,
                what + ": " + error_text(error) + (detail.empty() ? std::string() : " (" + detail + ")"),
                std::move(remedy));
}

Result<void> make_directory(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
        return fail(Failure::unavailable,
                    "can't make the directory " + path.string() + ": " + error.message(),
                    "mount a BPF file system there: mount -t bpf bpf /sys/fs/bpf");
    }
    return {};
}

Result<void> check_file_system(const std::filesystem::path& pin_path) {
    std::filesystem::path existing = pin_path;
    std::error_code error;
    while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) {
        existing = existing.parent_path();
    }
    struct statfs facts{};
    if (::statfs(existing.c_str(), &facts) != 0) {
        return fail(Failure::unavailable, "can't look at " + existing.string() + ": " + error_text(errno));
    }
    if (facts.f_type != BPF_FS_MAGIC) {
        return fail(Failure::unavailable, pin_path.string() + " is not in a BPF file system",
                    "mount one: mount -t bpf bpf /sys/fs/bpf, or set dataplane.pin_path");
    }
    return {};
}

// The verifier judges our global functions by the kernel's own types (btf_prepare_func_args).
Result<void> check_btf() {
    if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
        return fail(Failure::unavailable, "the kernel has no BTF: /sys/kernel/btf/vmlinux can't be read",
                    "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are");
    }
    return {};
}

// The size of a map that is pinned already, 0 if none is.
std::uint32_t pinned_size(const std::filesystem::path& path) {
    const Descriptor map(bpf_obj_get(path.c_str()));
    bpf_map_info info{};
    std::uint32_t length = sizeof(info);
    if (!map || bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0) {
        return 0;
    }
    return info.max_entries;
}

template <class Maps>
int set_pins(const std::filesystem::path& directory, const Maps& maps, std::uint32_t max_entries) {
    int failed = bpf_map__set_max_entries(maps.sekisho_entries, max_entries);
    for (bpf_map* map : {maps.sekisho_tables, maps.sekisho_entries, maps.sekisho_counts,
                         maps.sekisho_interfaces, maps.sekisho_limiters}) {
        const std::filesystem::path path = directory / bpf_map__name(map);
        failed = failed != 0 ? failed : bpf_map__set_pin_path(map, path.c_str());
    }
    return failed;
}

}  // namespace

std::string error_text(int error) {
    return std::generic_category().message(error < 0 ? -error : error);
}

std::filesystem::path layout_path(const std::filesystem::path& pin_path) {
    return pin_path / ("v" + std::to_string(SEKISHO_ABI_VERSION));
}

std::filesystem::path links_path(const std::filesystem::path& pin_path) {
    return layout_path(pin_path) / "links";
}

Result<Descriptor> lock_pins(const std::filesystem::path& pin_path) {
    const LibbpfLog quiet;
    if (auto fits = check_file_system(pin_path); !fits) {
        return std::unexpected(fits.error());
    }
    if (auto made = make_directory(pin_path); !made) {
        return std::unexpected(made.error());
    }
    Descriptor lock(::open(pin_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) {
        return fail(Failure::unavailable, "can't open " + pin_path.string() + ": " + error_text(errno));
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return fail(Failure::conflict, "another agent holds " + pin_path.string(),
                        "stop it first, or give this one a dataplane.pin_path of its own");
        }
        return fail(Failure::unavailable, "can't lock " + pin_path.string() + ": " + error_text(errno));
    }
    return lock;
}

Kernel::Kernel(Descriptor lock) : lock_(std::move(lock)) {}

Kernel::Kernel(Kernel&& other) noexcept
    : lock_(std::move(other.lock_)),
      xdp_(std::exchange(other.xdp_, nullptr)),
      tc_(std::exchange(other.tc_, nullptr)),
      links_(std::move(other.links_)),
      max_entries_(other.max_entries_),
      notices_(std::move(other.notices_)) {}

Kernel& Kernel::operator=(Kernel&& other) noexcept {
    std::swap(lock_, other.lock_);
    std::swap(xdp_, other.xdp_);
    std::swap(tc_, other.tc_);
    std::swap(links_, other.links_);
    std::swap(max_entries_, other.max_entries_);
    std::swap(notices_, other.notices_);
    return *this;
}

Kernel::~Kernel() {
    sekisho_xdp__destroy(xdp_);
    sekisho_tc__destroy(tc_);
}

Result<Kernel> Kernel::load(const DataplaneConfig& config) {
    if (auto btf = check_btf(); !btf) {
        return std::unexpected(btf.error());
    }
    auto lock = lock_pins(config.pin_path);
    if (!lock) {
        return std::unexpected(lock.error());
    }
    Kernel kernel(std::move(*lock));
    kernel.links_ = links_path(config.pin_path);
    if (auto made = make_directory(kernel.links_); !made) {
        return std::unexpected(made.error());
    }
    const LibbpfLog log;
    const std::filesystem::path maps = layout_path(config.pin_path);
    kernel.max_entries_ = config.max_entries;
    if (const std::uint32_t size = pinned_size(maps / "sekisho_entries");
        size != 0 && size != config.max_entries) {
        kernel.notices_.push_back(
            "the map of entries keeps its size of " + std::to_string(size) +
            "; dataplane.max_entries takes effect after `sekishod --detach` or a reboot");
        kernel.max_entries_ = size;
    }
    kernel.xdp_ = sekisho_xdp__open();
    if (kernel.xdp_ == nullptr) {
        return refused("can't open the XDP programs", errno);
    }
    kernel.tc_ = sekisho_tc__open();
    if (kernel.tc_ == nullptr) {
        return refused("can't open the TC programs", errno);
    }
    if (const int failed = set_pins(maps, kernel.xdp_->maps, kernel.max_entries_); failed != 0) {
        return refused("can't name the maps", -failed);
    }
    if (const int failed = set_pins(maps, kernel.tc_->maps, kernel.max_entries_); failed != 0) {
        return refused("can't name the maps", -failed);
    }
    if (const int failed = sekisho_xdp__load(kernel.xdp_); failed != 0) {
        return refused("the kernel refuses the XDP programs", -failed);
    }
    if (const int failed = sekisho_tc__load(kernel.tc_); failed != 0) {
        return refused("the kernel refuses the TC programs", -failed);
    }
    return kernel;
}

int Kernel::tables() const {
    return bpf_map__fd(xdp_->maps.sekisho_tables);
}
int Kernel::entries() const {
    return bpf_map__fd(xdp_->maps.sekisho_entries);
}
int Kernel::counts() const {
    return bpf_map__fd(xdp_->maps.sekisho_counts);
}
int Kernel::interfaces() const {
    return bpf_map__fd(xdp_->maps.sekisho_interfaces);
}

int Kernel::xdp_program(const InterfaceConfig& config) const {
    if (config.side == Side::uplink) {
        return bpf_program__fd(xdp_->progs.uplink_xdp);
    }
    return bpf_program__fd(config.validate_source ? xdp_->progs.validated_xdp : xdp_->progs.subscriber_xdp);
}

int Kernel::tc_program(const InterfaceConfig& config, bool bare) const {
    if (config.side == Side::uplink) {
        return bpf_program__fd(bare ? tc_->progs.uplink_tc_bare : tc_->progs.uplink_tc);
    }
    if (config.validate_source) {
        return bpf_program__fd(bare ? tc_->progs.validated_tc_bare : tc_->progs.validated_tc);
    }
    return bpf_program__fd(bare ? tc_->progs.subscriber_tc_bare : tc_->progs.subscriber_tc);
}

}  // namespace sekisho::dataplane
