// SPDX-License-Identifier: Apache-2.0
// Puts programs on interfaces, by pinned links (XDP, TCX) or clsact filters.
#pragma once

#include "agent/dataplane/dataplane.h"
#include "agent/dataplane/kernel.h"

namespace sekisho::dataplane {

// See Dataplane::attach.
[[nodiscard]] Result<Attachment> attach_program(Kernel& kernel, const Interface& interface,
                                                const InterfaceConfig& config);

// See Dataplane::in_place.
[[nodiscard]] bool is_attached(const Attachment& attachment);

// Takes our programs off an interface, all of them or all but those of `kept_mode`. Returns whether there was
// one.
bool detach_programs(const std::filesystem::path& links, unsigned index, const std::string& kept_mode = {});

// The indexes of the interfaces that have a pinned link.
[[nodiscard]] std::vector<unsigned> linked_interfaces(const std::filesystem::path& links);

}  // namespace sekisho::dataplane
