// SPDX-License-Identifier: Apache-2.0
// Frames built as one would say them: Eth().Vlan(7).IPv4(a, b).Tcp(1024, 25).Syn(). Lengths, protocol numbers
// and checksums come out right unless the test says a wrong one. The steps are written like the protocols'
// names.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sekisho::bpftest {

using Bytes = std::vector<std::uint8_t>;

// MAC addresses of the subscriber's router and of the box's interface.
inline const Bytes subscriber_mac{0x02, 0x00, 0x5e, 0x00, 0x53, 0x01};
inline const Bytes box_mac{0x02, 0x00, 0x5e, 0x00, 0x53, 0x02};

// The octets of an address, 4 or 16; the test ends if it isn't one.
[[nodiscard]] Bytes octets_of(std::string_view address);

class Packet {
public:
    // Ethernet and what may stand between it and IP.
    Packet& Eth(const Bytes& to, const Bytes& from);
    Packet& Vlan(std::uint16_t id, std::uint16_t ethertype = 0x8100);
    Packet& Mpls(std::uint32_t label, bool multicast = false);
    Packet& Pppoe(std::uint16_t protocol);           // PPP's number of what it carries
    Packet& PppoeCompressed(std::uint8_t protocol);  // in one octet

    Packet& IPv4(std::string_view from, std::string_view to);
    Packet& IPv6(std::string_view from, std::string_view to);

    // Extension headers of IPv6. `length` is what their length field says, in the unit of the header.
    Packet& HopByHop(std::uint8_t length = 0);
    Packet& Routing(std::uint8_t length = 0);
    Packet& DestinationOptions(std::uint8_t length = 0);
    Packet& Authentication(std::uint8_t length = 4);
    Packet& Mobility(std::uint8_t length = 0);
    Packet& Hip(std::uint8_t length = 0);
    Packet& Shim6(std::uint8_t length = 0);
    // `offset` in units of 8 octets.
    Packet& Fragment(std::uint16_t offset, bool more);

    Packet& Tcp(std::uint16_t from, std::uint16_t to);
    Packet& Udp(std::uint16_t from, std::uint16_t to);
    Packet& Payload(std::size_t size);
    Packet& Raw(Bytes bytes);

    // What the last header says, right or wrong.
    Packet& Next(std::uint16_t protocol);  // the ethertype or protocol number of what follows
    Packet& Length(std::uint16_t length);  // IPv4: total length; IPv6, PPPoE: payload length
    Packet& Version(std::uint8_t version);
    Packet& Ihl(std::uint8_t words);  // the field alone

    // Of the last IPv4 header.
    Packet& Options(std::size_t words);  // that many words of no-operations
    Packet& FragmentAt(std::uint16_t offset, bool more);
    Packet& DontFragment();
    Packet& Tos(std::uint8_t octet);

    // Of the last TCP header.
    Packet& Flags(std::uint8_t flags);
    Packet& Syn() { return Flags(0x02); }
    Packet& Seq(std::uint32_t number);
    Packet& Ack(std::uint32_t number);  // the number alone, not the flag
    Packet& Window(std::uint16_t window);
    Packet& TcpOptions(std::size_t words);
    Packet& DataOffset(std::uint8_t words);  // the field alone

    // Of the frame: octets behind the IP packet; only the first `size` octets.
    Packet& Padding(std::size_t size);
    Packet& Truncate(std::size_t size);

    [[nodiscard]] Bytes bytes() const;

private:
    enum class Kind : std::uint8_t { ethernet, mpls, pppoe, ipv4, ipv6, extension, tcp, udp, payload };
    struct Layer {
        Kind kind;
        std::uint16_t number;  // by which the layer before names this one
        Bytes bytes;
        std::optional<std::uint16_t> next;
        std::optional<std::uint16_t> length;
    };

    Packet& add(Kind kind, std::uint16_t number, Bytes bytes);
    Packet& extension(std::uint16_t number, std::uint8_t length, std::size_t size);
    Layer& last(Kind kind);
    static void set_next(Layer& layer, const Layer* following);
    static void set_length(Layer& layer, std::size_t behind);
    static void set_checksum(Layer& layer, const Layer* ip, const Bytes& behind);

    std::vector<Layer> layers_;
    std::size_t padding_ = 0;
    std::optional<std::size_t> truncated_;
};

// A frame from the subscriber to the box.
[[nodiscard]] inline Packet Eth() {
    return Packet{}.Eth(box_mac, subscriber_mac);
}

}  // namespace sekisho::bpftest
