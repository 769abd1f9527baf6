// SPDX-License-Identifier: Apache-2.0
// Loads the objects; maps are shared through their pins.
#include "agent/dataplane/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "agent/dataplane/carry_over.h"
#include "agent/dataplane/entry_table.h"
#include "agent/dataplane/refusal.h"
#include "bpf/sekisho_abi.h"
#include "upkeep.skel.h"
#include "xdp.skel.h"

namespace sekisho::dataplane {

namespace {

Result<void> make_directory(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error == std::errc::permission_denied) {
        return fail(
            Failure::unavailable, "can't make the directory " + path.string() + ": " + error.message(),
            "systemd-tmpfiles --create sekisho.conf makes /sys/fs/bpf/sekisho; a pin_path elsewhere must be "
            "the agent's, and all above it must let its user pass: chmod a+x");
    }
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

// How many entries the largest table of an older layout has room for, 0 if there is none. Before layout 6 it
// was a hash.
std::uint32_t entries_of_older(const std::filesystem::path& pin_path) {
    std::uint32_t most = 0;
    for (const auto& [version, layout] : layouts(pin_path)) {
        if (version < SEKISHO_ABI_VERSION) {
            most = std::max(most, pinned_size(layout / "sekisho_entries"));
        }
    }
    return most;
}

struct Sizes {
    std::uint32_t buckets;
    std::uint32_t flows;
};

// The kernel gives a map of devices a flag (BPF_F_RDONLY_PROG) that nobody may ask for, and which libbpf
// before 1.5 takes for a difference: one that is pinned already has to be shared by hand.
bool share_device_map(bpf_map* map, const std::filesystem::path& pin) {
    if (bpf_map__type(map) != BPF_MAP_TYPE_DEVMAP) {
        return false;
    }
    const Descriptor pinned(bpf_obj_get(pin.c_str()));
    return pinned && bpf_map__reuse_fd(map, pinned.get()) == 0;
}

// The name of a map's pin; empty for one that has none.
std::string pin_name(const bpf_map* map) {
    std::string name = bpf_map__name(map);
    if (!bpf_map__is_internal(map)) {
        return name;
    }
    return name.ends_with(".bss") ? "sekisho_state" : "";  // or the compiler's own, for constants
}

// Each object has the maps that its programs use.
int set_pins(const std::filesystem::path& directory, bpf_object* object, const Sizes& sizes) {
    int failed = 0;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const std::string name = pin_name(map);
        if (name.empty()) {
            continue;
        }
        if (name == "sekisho_entries" || name == "sekisho_flows") {
            failed = failed != 0 ? failed
                                 : bpf_map__set_max_entries(
                                       map, name == "sekisho_flows" ? sizes.flows : sizes.buckets);
        }
        if (failed == 0 && !share_device_map(map, directory / name)) {
            failed = bpf_map__set_pin_path(map, (directory / name).c_str());
        }
    }
    return failed;
}

// A map's values in this process's memory, or null.
void* shared_memory(const bpf_map* map, std::size_t size) {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

std::filesystem::path layout_path(const std::filesystem::path& pin_path) {
    return pin_path / ("v" + std::to_string(SEKISHO_ABI_VERSION));
}

std::filesystem::path links_path(const std::filesystem::path& pin_path) {
    return layout_path(pin_path) / "links";
}

Result<Descriptor> lock_pins(const std::filesystem::path& pin_path) {
    keep_refusals();
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

namespace {

// Whether the descriptor is of what has this path now.
bool is_at(const Descriptor& file, const std::filesystem::path& path) {
    struct stat held{};
    struct stat there{};
    return ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

std::uint32_t map_id(int map) {
    bpf_map_info info{};
    std::uint32_t length = sizeof(info);
    return bpf_obj_get_info_by_fd(map, &info, &length) == 0 ? info.id : 0;
}

// Whether the pin is that of this map, and not of one that somebody else has made meanwhile.
bool is_pin_of(const std::filesystem::path& pin, int map) {
    const Descriptor pinned(bpf_obj_get(pin.c_str()));
    return pinned && map_id(pinned.get()) == map_id(map);
}

}  // namespace

Kernel::Kernel(Descriptor lock) : lock_(std::move(lock)) {}

// By hand: what libbpf has pinned once it takes for pinned.
Result<bool> Kernel::renew_pins() {
    const std::filesystem::path maps = links_.parent_path();
    const std::filesystem::path pin_path = maps.parent_path();
    if (!is_at(lock_, pin_path)) {
        auto lock = lock_pins(pin_path);
        if (!lock) {
            return std::unexpected(lock.error());
        }
        lock_ = std::move(*lock);
    }
    if (auto made = make_directory(links_); !made) {
        return std::unexpected(made.error());
    }
    bool renewed = false;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, maps_->obj) {
        const std::string name = pin_name(map);
        const std::filesystem::path pin = maps / name;
        if (name.empty() || is_pin_of(pin, bpf_map__fd(map))) {
            continue;
        }
        std::error_code ignored;
        std::filesystem::remove(pin, ignored);  // of another map
        if (bpf_obj_pin(bpf_map__fd(map), pin.c_str()) != 0) {
            return fail(Failure::unavailable, "can't pin " + pin.string() + ": " + error_text(errno));
        }
        renewed = true;
    }
    return renewed;
}

Kernel::Kernel(Kernel&& other) noexcept
    : lock_(std::move(other.lock_)),
      maps_(std::exchange(other.maps_, nullptr)),
      upkeep_(std::exchange(other.upkeep_, nullptr)),
      state_(std::exchange(other.state_, nullptr)),
      buckets_(std::exchange(other.buckets_, {})),
      programs_(std::move(other.programs_)),
      links_(std::move(other.links_)),
      notices_(std::move(other.notices_)) {}

Kernel& Kernel::operator=(Kernel&& other) noexcept {
    std::swap(lock_, other.lock_);
    std::swap(maps_, other.maps_);
    std::swap(upkeep_, other.upkeep_);
    std::swap(state_, other.state_);
    std::swap(buckets_, other.buckets_);
    std::swap(programs_, other.programs_);
    std::swap(links_, other.links_);
    std::swap(notices_, other.notices_);
    return *this;
}

Kernel::~Kernel() {
    if (state_ != nullptr) {
        ::munmap(state_, sizeof(sekisho_state));
    }
    if (!buckets_.empty()) {
        ::munmap(buckets_.data(), buckets_.size_bytes());
    }
    sekisho_xdp__destroy(maps_);
    sekisho_upkeep__destroy(upkeep_);
}

Result<Kernel> Kernel::load(const Config& whole) {
    const DataplaneConfig& config = whole.dataplane;
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
    if (auto loaded = kernel.load_objects(layout_path(config.pin_path), config); !loaded) {
        return std::unexpected(loaded.error());
    }
    // What will be needed, as far as is known: a kernel that refuses it is told of now.
    for (const InterfaceConfig& interface : whole.interfaces) {
        const bool by_tc = interface.attach == Attach::tc || interface.attach == Attach::clsact;
        auto program = by_tc ? kernel.programs_.tc(interface, false) : kernel.programs_.xdp(interface);
        if (!program) {
            return std::unexpected(program.error());
        }
    }
    return kernel;
}

Result<void> Kernel::load_objects(const std::filesystem::path& maps, const DataplaneConfig& config) {
    keep_refusals();
    // What is there already keeps its size; what an older layout has must find room.
    const std::uint32_t pinned_buckets = pinned_size(maps / "sekisho_entries");
    const std::uint32_t older = entries_of_older(config.pin_path);
    const std::uint32_t kept_buckets =
        pinned_buckets == 0 && older > config.max_entries ? buckets_for(older) : pinned_buckets;
    const std::uint32_t kept_flows = pinned_size(maps / "sekisho_flows");
    const Sizes sizes{.buckets = kept_buckets != 0 ? kept_buckets : buckets_for(config.max_entries),
                      .flows = kept_flows != 0 ? kept_flows : config.max_flows};
    if (sizes.buckets != buckets_for(config.max_entries)) {
        note_kept_size("sekisho_entries", entries_in(sizes.buckets), "dataplane.max_entries");
    }
    if (sizes.flows != config.max_flows) {
        note_kept_size("sekisho_flows", sizes.flows, "dataplane.max_flows");
    }
    programs_ = Programs([maps, sizes](bpf_object* object) { return set_pins(maps, object, sizes); });
    maps_ = sekisho_xdp__open();
    upkeep_ = maps_ != nullptr ? sekisho_upkeep__open() : nullptr;
    if (upkeep_ == nullptr) {
        return refused("can't open the programs", errno);
    }
    for (bpf_object* object : {maps_->obj, upkeep_->obj}) {
        if (const int failed = set_pins(maps, object, sizes); failed != 0) {
            return refused("can't name the maps", -failed);
        }
    }
    // All maps, and none of the programs.
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, maps_->obj) {
        bpf_program__set_autoload(program, false);
    }
    if (const int failed = sekisho_xdp__load(maps_); failed != 0) {
        return refused("the kernel refuses the maps", -failed);
    }
    if (const int failed = sekisho_upkeep__load(upkeep_); failed != 0) {
        return refused("the kernel refuses the programs that the agent runs", -failed);
    }
    return share_memory(sizes.buckets);
}

Result<void> Kernel::share_memory(std::uint32_t buckets) {
    // Not the skeleton's pointer: that of libbpf 1.5 leads elsewhere where the map was there before.
    state_ = static_cast<sekisho_state*>(shared_memory(maps_->maps.bss, sizeof(sekisho_state)));
    auto* first = static_cast<sekisho_bucket*>(
        shared_memory(maps_->maps.sekisho_entries, buckets * sizeof(sekisho_bucket)));
    if (state_ == nullptr || first == nullptr) {
        return refused("can't map the tables", errno);
    }
    buckets_ = {first, buckets};
    state_->buckets = buckets;
    while (state_->seed == 0) {
        if (::getrandom(&state_->seed, sizeof(state_->seed), 0) < 0 && errno != EINTR) {
            return refused("can't get random numbers", errno);
        }
    }
    return {};
}

void Kernel::note_kept_size(std::string_view map, std::uint32_t kept, std::string_view setting) {
    notices_.push_back("the map " + std::string(map) + " keeps its size of " + std::to_string(kept) + "; " +
                       std::string(setting) + " takes effect after `sekishod --detach` or a reboot");
}

int Kernel::counts() const {
    return bpf_map__fd(maps_->maps.sekisho_counts);
}
int Kernel::flows() const {
    return bpf_map__fd(maps_->maps.sekisho_flows);
}
int Kernel::interfaces() const {
    return bpf_map__fd(maps_->maps.sekisho_interfaces);
}

int Kernel::hitters() const {
    return bpf_map__fd(maps_->maps.sekisho_hitters);
}
int Kernel::foreign() const {
    return bpf_map__fd(maps_->maps.sekisho_foreign);
}
int Kernel::events() const {
    return bpf_map__fd(maps_->maps.sekisho_events);
}
int Kernel::limiters() const {
    return bpf_map__fd(maps_->maps.sekisho_limiters);
}
int Kernel::forwarding() const {
    return bpf_map__fd(maps_->maps.sekisho_forwarding);
}
int Kernel::routers() const {
    return bpf_map__fd(maps_->maps.sekisho_routers);
}

int Kernel::sweep_flows() const {
    return bpf_program__fd(upkeep_->progs.sweep_flows);
}
int Kernel::ask_foreign() const {
    return bpf_program__fd(upkeep_->progs.ask_foreign);
}

}  // namespace sekisho::dataplane
