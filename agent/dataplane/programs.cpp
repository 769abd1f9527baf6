// SPDX-License-Identifier: Apache-2.0
// An object for each, of which only that program is loaded.
#include "agent/dataplane/programs.h"

#include <bpf/libbpf.h>

#include <cerrno>

#include "agent/dataplane/refusal.h"
#include "bpf/sekisho_abi.h"
#include "tc.skel.h"
#include "xdp.skel.h"

namespace sekisho::dataplane {

namespace {

std::string role_of(const InterfaceConfig& config) {
    return config.side == Side::uplink ? "uplink" : config.validate_source ? "validated" : "subscriber";
}

std::string xdp_name(const InterfaceConfig& config) {
    return role_of(config) + (config.fast_path ? "_fast" : "_xdp");
}

std::string tc_name(const InterfaceConfig& config, bool bare) {
    return role_of(config) + (bare ? "_tc_bare" : "_tc");
}

}  // namespace

template <class Skeleton>
Result<int> Programs::load(const std::string& name, Skeleton* (*open)(), void (*destroy)(Skeleton*)) {
    if (const auto known = loaded_.find(name); known != loaded_.end()) {
        return known->second.descriptor;
    }
    keep_refusals();
    const std::shared_ptr<Skeleton> skeleton(open(), destroy);
    if (skeleton == nullptr) {
        return refused("can't open the program " + name, errno);
    }
    if (const int failed = share_maps_(skeleton->obj); failed != 0) {
        return refused("can't name the maps", -failed);
    }
    const bpf_program* wanted = bpf_object__find_program_by_name(skeleton->obj, name.c_str());
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        bpf_program__set_autoload(program, program == wanted);
    }
    if (const int failed = bpf_object__load_skeleton(skeleton->skeleton); failed != 0) {
        return refused("the kernel refuses the program " + name, -failed);
    }
    const int descriptor = bpf_program__fd(wanted);
    loaded_.emplace(name, Program{.skeleton = skeleton, .descriptor = descriptor});
    return descriptor;
}

Result<int> Programs::xdp(const InterfaceConfig& config) {
    return load(xdp_name(config), &sekisho_xdp__open, &sekisho_xdp__destroy);
}

Result<int> Programs::tc(const InterfaceConfig& config, bool bare) {
    return load(tc_name(config, bare), &sekisho_tc__open, &sekisho_tc__destroy);
}

Result<bool> Programs::load_ahead(const std::vector<InterfaceConfig>& interfaces) {
    for (const InterfaceConfig& config : interfaces) {
        const bool by_tc = config.attach != Attach::xdp && config.attach != Attach::xdp_generic;
        for (const bool bare : {false, true}) {
            if (!by_tc || loaded_.contains(tc_name(config, bare))) {
                continue;
            }
            if (const auto loaded = tc(config, bare); !loaded) {
                return std::unexpected(loaded.error());
            }
            return true;
        }
    }
    return false;
}

}  // namespace sekisho::dataplane
