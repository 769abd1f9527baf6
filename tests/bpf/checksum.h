// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), written for the tests alone: the judge of what the programs compute.
#pragma once

#include <cstdint>
#include <span>

namespace sekisho::bpftest {

// The one's complement sum of the octets taken as big-endian words, an odd one padded with zero; not
// complemented. `sum` is that of what stood before, which must have been of even length.
[[nodiscard]] inline std::uint32_t sum_octets(std::span<const std::uint8_t> octets, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < octets.size(); i++) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(octets[i]) << 8 : octets[i];
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

// What stands in a checksum field.
[[nodiscard]] inline std::uint16_t complement(std::uint32_t sum) {
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace sekisho::bpftest
