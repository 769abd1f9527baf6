// SPDX-License-Identifier: Apache-2.0
// The kernel half, seen from the agent: load, attach, pin, replace, fill. The only room that knows libbpf.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::dataplane {

// Packets and bytes counted for one reason and verdict.
struct Count {
    std::string reason;   // "not_granted"
    std::string verdict;  // "pass", "monitor", "drop", "reset"
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

// One step of the kernel's decision, in its order, for `why`.
struct Step {
    std::string rule;    // the reason's name: "quarantined", "designated", ...
    bool matched = false;
    std::string detail;  // in words: "198.51.100.25 is the designated server mail"
};

// What the kernel would do with a SYN to port 25.
struct Explanation {
    std::string verdict;
    std::string reason;
    std::vector<Step> steps;
};

// How an interface is attached.
struct Attachment {
    std::string interface;
    unsigned index = 0;
    Side side = Side::subscriber;
    std::string mode;    // "xdp", "xdp-generic", "tcx", "clsact"
    std::string why;     // "native XDP: the driver has it"
    std::uint32_t program = 0;  // its id in the kernel
};

}  // namespace sekisho::dataplane
