// SPDX-License-Identifier: Apache-2.0
// Packets with a descriptor, sent and received without waiting. Internal to this room.
#pragma once

#include <string_view>
#include <vector>

#include "agent/base/descriptor.h"

namespace sekisho::handoff {

enum class Moved { done, would_block, closed };

// Sends one packet, and the descriptor unless it is -1. The descriptor stays the caller's.
[[nodiscard]] Moved send_packet(int socket, std::string_view packet, int descriptor);

// One after the other, in the same memory.
struct Packet {
    std::string_view text;
    Descriptor file;  // if exactly one came along
    std::vector<char> room{};
};

// Receives one packet of up to longest_packet octets; a longer one, or one with several descriptors, ends the
// connection (`closed`).
[[nodiscard]] Moved receive_packet(int socket, Packet& packet);

}  // namespace sekisho::handoff
