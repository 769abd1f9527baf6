// SPDX-License-Identifier: Apache-2.0
// getrandom(2), and no sign likelier than another.
#include "smtpd/handoff/id.h"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace sekisho::handoff {

namespace {

// Random octets, asked for in advance.
class Octets {
public:
    std::uint8_t next() {
        if (left_ == 0) {
            if (::getrandom(octets_.data(), octets_.size(), 0) != static_cast<ssize_t>(octets_.size())) {
                throw std::runtime_error("the kernel gives no random numbers");
            }
            left_ = octets_.size();
        }
        return octets_[--left_];
    }

private:
    std::array<std::uint8_t, 256> octets_{};  // so many come always, and whole: getrandom(2)
    std::size_t left_ = 0;
};

}  // namespace

std::string new_id() {
    constexpr std::string_view signs = "0123456789abcdefghijklmnopqrstuvwxyz";
    constexpr std::size_t length = 16;
    // The largest multiple of 36 in an octet: beyond it some signs would be likelier.
    constexpr unsigned fair = 252;
    thread_local Octets octets;
    std::string name;
    name.reserve(length);
    while (name.size() < length) {
        const std::uint8_t octet = octets.next();
        if (octet < fair) {
            name += signs[octet % signs.size()];
        }
    }
    return name;
}

}  // namespace sekisho::handoff
