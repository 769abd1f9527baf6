// SPDX-License-Identifier: Apache-2.0
// getrandom(2), and no sign likelier than another.
#include "smtpd/handoff/id.h"

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace sekisho::handoff {

std::string new_id() {
    constexpr std::string_view signs = "0123456789abcdefghijklmnopqrstuvwxyz";
    constexpr std::size_t length = 16;
    // The largest multiple of 36 in an octet: beyond it some signs would be likelier.
    constexpr unsigned fair = 252;
    std::string name;
    std::array<std::uint8_t, 64> octets{};
    while (name.size() < length) {
        if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) {
            throw std::runtime_error("the kernel gives no random numbers");
        }
        for (const std::uint8_t octet : octets) {
            if (octet < fair && name.size() < length) {
                name += signs[octet % signs.size()];
            }
        }
    }
    return name;
}

}  // namespace sekisho::handoff
