// SPDX-License-Identifier: Apache-2.0
// Frames that nobody thought of: every layer in every order that makes some sense, then often broken a
// little.
#pragma once

#include <cstdint>
#include <random>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {

class FrameGenerator {
public:
    explicit FrameGenerator(std::uint64_t seed) : random_(seed) {}

    // At least an Ethernet header, at most some 3 KiB. The same seed gives the same frames.
    [[nodiscard]] Bytes next();

private:
    std::size_t below(std::size_t limit) { return random_() % limit; }
    bool one_in(std::size_t many) { return below(many) == 0; }
    const char* address4();
    const char* address6();

    void add_shell(Packet& packet);
    void add_ip(Packet& packet, int depth);
    void add_extensions(Packet& packet);
    void add_upper(Packet& packet);
    void break_a_little(Bytes& frame);

    std::mt19937_64 random_;
};

}  // namespace sekisho::bpftest
