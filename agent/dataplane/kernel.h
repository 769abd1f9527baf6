// SPDX-License-Identifier: Apache-2.0
// Programs and maps in the kernel, their pins, and the lock on them.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "agent/dataplane/programs.h"
#include "agent/dataplane/refusal.h"

struct sekisho_xdp;
struct sekisho_upkeep;
struct sekisho_state;
struct sekisho_bucket;

namespace sekisho::dataplane {

// Holds the pin path for one process. Failure::conflict if another one does.
[[nodiscard]] Result<Descriptor> lock_pins(const std::filesystem::path& pin_path);

// Below the pin path stand the maps and links of this layout version.
[[nodiscard]] std::filesystem::path layout_path(const std::filesystem::path& pin_path);
[[nodiscard]] std::filesystem::path links_path(const std::filesystem::path& pin_path);

// Maps and programs, those that are pinned taken over.
class Kernel {
public:
    // With the programs that the interfaces of the configuration will want.
    [[nodiscard]] static Result<Kernel> load(const Config& config);

    Kernel(Kernel&&) noexcept;
    Kernel& operator=(Kernel&&) noexcept;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    ~Kernel();

    // Pins the maps that somebody has removed the pins of, and takes the lock on their directory anew if that
    // is another one now. Whether any were missing. Failure::conflict if another agent has the lock
    // meanwhile.
    [[nodiscard]] Result<bool> renew_pins();

    // What the programs read in place; shared with the kernel.
    [[nodiscard]] sekisho_state& state() const { return *state_; }
    // Where entries stand.
    [[nodiscard]] std::span<sekisho_bucket> buckets() const { return buckets_; }
    // File descriptors, owned by the object.
    [[nodiscard]] int counts() const;
    [[nodiscard]] int flows() const;
    [[nodiscard]] int interfaces() const;
    [[nodiscard]] int hitters() const;
    [[nodiscard]] int foreign() const;
    [[nodiscard]] int events() const;
    [[nodiscard]] int limiters() const;
    [[nodiscard]] int forwarding() const;
    [[nodiscard]] int routers() const;
    // The programs of upkeep.bpf.c: run() them.
    [[nodiscard]] int sweep_flows() const;
    [[nodiscard]] int ask_foreign() const;
    // Those for interfaces.
    [[nodiscard]] Programs& programs() { return programs_; }

    [[nodiscard]] const std::filesystem::path& links() const { return links_; }
    [[nodiscard]] const std::vector<std::string>& notices() const { return notices_; }

private:
    explicit Kernel(Descriptor lock);
    [[nodiscard]] Result<void> load_objects(const std::filesystem::path& maps, const DataplaneConfig& config);
    [[nodiscard]] Result<void> share_memory(std::uint32_t buckets);
    void note_kept_size(std::string_view map, std::uint32_t kept, std::string_view setting);

    Descriptor lock_;
    sekisho_xdp* maps_ = nullptr;  // an object that has them all
    sekisho_upkeep* upkeep_ = nullptr;
    sekisho_state* state_ = nullptr;
    std::span<sekisho_bucket> buckets_;
    Programs programs_;
    std::filesystem::path links_;
    std::vector<std::string> notices_;
};

}  // namespace sekisho::dataplane
