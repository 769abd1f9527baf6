// SPDX-License-Identifier: Apache-2.0
// The generator.
#include "tests/bpf/frame_generator.h"

#include <array>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {

const char* FrameGenerator::address4() {
    constexpr std::array all{reset4,      drop4, monitor4, exempt4, hashed4,     stranger4,     prohibit4,
                             designated4, mx4,   foreign4, wide4,   wide_reset4, wide_monitor4, "0.0.0.0"};
    return all.at(below(all.size()));
}

const char* FrameGenerator::address6() {
    constexpr std::array all{reset6,      drop6, monitor6, exempt6, stranger6, prohibit6,
                             designated6, mx6,   foreign6, "::",    "fe80::7"};
    return all.at(below(all.size()));
}

void FrameGenerator::add_shell(Packet& packet) {
    constexpr std::array<std::uint16_t, 3> tags{0x8100, 0x88a8, 0x9100};
    for (auto left = one_in(2) ? 0 : below(6); left > 0; left--) {
        packet.Vlan(static_cast<std::uint16_t>(random_()), tags.at(below(tags.size())));
    }
}

// Headers of any kind and length, in any order. The length is in the unit of the header.
void FrameGenerator::add_extensions(Packet& packet) {
    for (auto left = one_in(2) ? 0 : below(10); left > 0; left--) {
        const auto length = static_cast<std::uint8_t>(one_in(20) ? below(256) : below(4));
        switch (below(9)) {
            case 0:
                packet.HopByHop(length);
                break;
            case 1:
                packet.Routing(length);
                break;
            case 2:
                packet.DestinationOptions(length);
                break;
            case 3:
                packet.Authentication(length);
                break;
            case 4:
                packet.Mobility(length);
                break;
            case 5:
                packet.Hip(length);
                break;
            case 6:
                packet.Shim6(length);
                break;
            default:
                packet.Fragment(static_cast<std::uint16_t>(one_in(3) ? below(4) : 0), one_in(2));
        }
    }
}

void FrameGenerator::add_ip(Packet& packet, int depth) {
    const bool six = one_in(2);
    if (six) {
        packet.IPv6(address6(), address6());
    } else {
        packet.IPv4(address4(), address4());
    }
    if (one_in(12)) {
        packet.Length(static_cast<std::uint16_t>(one_in(2) ? below(120) : random_()));
    }
    if (one_in(40)) {
        packet.Version(static_cast<std::uint8_t>(below(16)));
    }
    if (six) {
        add_extensions(packet);
    } else {
        if (one_in(4)) {
            packet.Options(below(11));
        }
        if (one_in(4)) {
            packet.FragmentAt(static_cast<std::uint16_t>(one_in(2) ? below(4) : 0), one_in(2));
        }
    }
    if (depth < 2 && one_in(5)) {
        add_ip(packet, depth + 1);
    } else {
        add_upper(packet);
    }
}

void FrameGenerator::add_upper(Packet& packet) {
    const auto port = static_cast<std::uint16_t>(one_in(4) ? below(65536) : 25);
    const auto from = static_cast<std::uint16_t>(one_in(3) ? 25 : 1024);
    const auto kind = below(10);
    if (kind == 0) {
        packet.Udp(from, port);
    } else if (kind == 1) {
        packet.Next(static_cast<std::uint16_t>(below(256)));
    } else {
        packet.Tcp(from, port).Flags(static_cast<std::uint8_t>(random_()));
        if (one_in(3)) {
            packet.TcpOptions(below(11));
        }
        if (one_in(8)) {
            packet.DataOffset(static_cast<std::uint8_t>(below(16)));
        }
    }
    if (one_in(2)) {
        packet.Payload(one_in(10) ? below(1400) : below(40));
    }
}

// Most of what counts stands at the beginning.
void FrameGenerator::break_a_little(Bytes& frame) {
    for (auto left = 1 + below(3); left > 0; left--) {
        auto& octet = frame.at(12 + below(std::min<std::size_t>(frame.size() - 12, 120)));
        octet = static_cast<std::uint8_t>(one_in(2) ? octet ^ 1U << below(8) : random_());
    }
}

Bytes FrameGenerator::next() {
    auto packet = Eth();
    add_shell(packet);
    const auto shell = below(6);
    if (shell == 0) {
        for (auto left = 1 + below(5); left > 0; left--) {
            packet.Mpls(static_cast<std::uint32_t>(below(1U << 20)), one_in(3));
        }
    } else if (shell == 1) {
        constexpr std::array<std::uint16_t, 4> protocols{0x0021, 0x0057, 0xc021, 0x002d};
        if (one_in(3)) {
            packet.PppoeCompressed(one_in(2) ? 0x21 : 0x57);
        } else {
            packet.Pppoe(protocols.at(below(one_in(3) ? 4 : 2)));
        }
        if (one_in(6)) {
            packet.Length(static_cast<std::uint16_t>(below(200)));
        }
    }
    add_ip(packet, 0);
    if (one_in(4)) {
        packet.Padding(below(50));
    }
    auto frame = packet.bytes();
    if (one_in(3)) {
        break_a_little(frame);
    }
    if (one_in(6)) {
        frame.resize(14 + below(frame.size() - 13));
    }
    constexpr std::size_t longest = 3000;  // what every way of running a program takes
    frame.resize(std::min(frame.size(), longest));
    return frame;
}

}  // namespace sekisho::bpftest
