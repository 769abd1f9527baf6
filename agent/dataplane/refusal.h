// SPDX-License-Identifier: Apache-2.0
// What the kernel refuses, in an operator's words.
#pragma once

#include <expected>
#include <string>

#include "agent/base/result.h"

namespace sekisho::dataplane {

// "Operation not permitted" for an errno.
[[nodiscard]] std::string error_text(int error);

// What decides whether a driver takes XDP, as far as it can be asked.
struct Device {
    std::string name;
    std::string driver;
    bool lro = false;  // segments are merged
    int mtu = 0;       // octets; 0: it isn't known
};

// Why a driver may have refused native XDP with this errno, and what to do about it. Drivers say EOPNOTSUPP,
// EINVAL or ERANGE to the same thing.
[[nodiscard]] std::string why_no_xdp(int error, const Device& device);

// What libbpf warns of from now on is kept, for refused().
void keep_refusals();

// Failure::unavailable: what was tried, the errno's text, what libbpf said of it, and what may help.
[[nodiscard]] std::unexpected<Error> refused(const std::string& what, int error);

}  // namespace sekisho::dataplane
