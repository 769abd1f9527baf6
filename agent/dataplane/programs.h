// SPDX-License-Identifier: Apache-2.0
// The programs for interfaces. Each is loaded when it is first wanted: the verifier needs a tenth of a second
// for one, and a box has use for two or three of twelve.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/result.h"

struct bpf_object;

namespace sekisho::dataplane {

class Programs {
public:
    // `share_maps` makes an object that was opened share the maps that are there: 0, or a negative errno.
    using ShareMaps = std::function<int(bpf_object*)>;

    Programs() = default;
    explicit Programs(ShareMaps share_maps) : share_maps_(std::move(share_maps)) {}

    // File descriptors, owned by the object. Failure::unavailable if the kernel refuses the program.
    [[nodiscard]] Result<int> xdp(const InterfaceConfig& config);
    // `bare`: for devices that carry IP without an Ethernet header.
    [[nodiscard]] Result<int> tc(const InterfaceConfig& config, bool bare);
    // Loads the next one that an interface of these may want when it appears: false if all are there.
    [[nodiscard]] Result<bool> load_ahead(const std::vector<InterfaceConfig>& interfaces);

private:
    struct Program {
        std::shared_ptr<void> skeleton;
        int descriptor = -1;
    };

    template <class Skeleton>
    Result<int> load(const std::string& name, Skeleton* (*open)(), void (*destroy)(Skeleton*));

    ShareMaps share_maps_;
    std::map<std::string, Program> loaded_;  // by name
};

}  // namespace sekisho::dataplane
