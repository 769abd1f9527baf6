// SPDX-License-Identifier: Apache-2.0
// Connections under a grant, frame by frame: what the kernel says of each, and what it has written down.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {

// One way that a subscriber's connections come: the program, and what is around them.
struct Line {
    std::string name;
    Kind kind;
    const char* source;  // of the connections
    const char* destination;
    const char* subscriber;  // by which it is known: the source, or the tunnel's
    int key_bits;
    bool tunnel = false;
    sekisho_verdict blocked = SEKISHO_DROP;
};
void PrintTo(const Line& line, std::ostream* out);
[[nodiscard]] const std::vector<Line>& lines();
[[nodiscard]] std::string line_name(const testing::TestParamInfo<Line>& info);

// A subscriber with a grant, whose frames are judged one after the other.
class Connections : public testing::TestWithParam<Line> {
protected:
    static constexpr std::uint32_t generation = 7;
    static constexpr std::uint32_t number = 1000;  // the initial sequence number of every SYN

    void SetUp() override;

    // Writes the entry anew: a grant that ends in `seconds`.
    void grant(std::int64_t seconds, std::int32_t budget = 1000, std::uint32_t of = generation) const;
    // The grant's time is over; what was counted stays.
    void end_grant() const;
    [[nodiscard]] sekisho_entry entry() const;

    // Frames of the connection that comes from this port.
    [[nodiscard]] Packet segment(std::uint16_t port, std::uint8_t flags,
                                 std::uint32_t seq = number + 1) const;
    [[nodiscard]] Packet syn(std::uint16_t port, std::uint32_t seq = number) const;

    // The reason of the verdict on a frame; fails where the verdict isn't the one that belongs to it.
    [[nodiscard]] sekisho_reason judge(const Packet& packet, Role role = Role::subscriber) const;
    [[nodiscard]] sekisho_reason open(std::uint16_t port) const { return judge(syn(port)); }
    [[nodiscard]] sekisho_reason talk(std::uint16_t port) const { return judge(segment(port, ack)); }

    // The flow of the connection from this port.
    [[nodiscard]] sekisho_flow_key flow_key(std::uint16_t port) const;
    [[nodiscard]] std::optional<sekisho_flow> flow(std::uint16_t port) const;
    void put_flow(std::uint16_t port, const sekisho_flow& flow) const;

    // How many events have come since the last time.
    [[nodiscard]] static std::vector<sekisho_event> events();

    static constexpr std::uint8_t fin = 0x11;
    static constexpr std::uint8_t rst = 0x14;
    static constexpr std::uint8_t ack = 0x10;
};

}  // namespace sekisho::bpftest
