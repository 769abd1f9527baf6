// SPDX-License-Identifier: Apache-2.0
// Frames for the tests.
#include "tests/bpf/packet.h"

#include <arpa/inet.h>

#include <cstdlib>
#include <iostream>
#include <ranges>
#include <string>
#include <utility>

#include "tests/bpf/checksum.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t ipv4_header = 20;
constexpr std::size_t tcp_header = 20;

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
    put16(bytes, at, static_cast<std::uint16_t>(value >> 16));
    put16(bytes, at + 2, static_cast<std::uint16_t>(value));
}

void append(Bytes& bytes, const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

Bytes octets_of(std::string_view address) {
    const bool six = address.find(':') != std::string_view::npos;
    Bytes bytes(six ? 16 : 4);
    if (inet_pton(six ? AF_INET6 : AF_INET, std::string(address).c_str(), bytes.data()) != 1) {
        std::cerr << "not an address: " << address << '\n';
        std::abort();
    }
    return bytes;
}

Packet& Packet::add(Kind kind, std::uint16_t number, Bytes bytes) {
    layers_.push_back({kind, number, std::move(bytes), {}, {}});
    return *this;
}

Packet::Layer& Packet::last(Kind kind) {
    for (Layer& layer : std::views::reverse(layers_)) {
        if (layer.kind == kind) {
            return layer;
        }
    }
    std::cerr << "a packet without the header that is to be changed\n";
    std::abort();
}

Packet& Packet::Eth(const Bytes& to, const Bytes& from) {
    Bytes bytes = to;
    append(bytes, from);
    bytes.resize(14);
    return add(Kind::ethernet, 0, bytes);
}

// A tag is seen as an Ethernet header whose last two octets name what follows, too.
Packet& Packet::Vlan(std::uint16_t id, std::uint16_t ethertype) {
    Bytes bytes(4);
    put16(bytes, 0, id);
    return add(Kind::ethernet, ethertype, bytes);
}

Packet& Packet::Mpls(std::uint32_t label, bool multicast) {
    Bytes bytes(4);
    put32(bytes, 0, label << 12 | 64);  // time to live
    return add(Kind::mpls, multicast ? 0x8848 : 0x8847, bytes);
}

Packet& Packet::Pppoe(std::uint16_t protocol) {
    Bytes bytes(8);
    bytes[0] = 0x11;
    put16(bytes, 6, protocol);
    return add(Kind::pppoe, 0x8864, bytes);
}

Packet& Packet::PppoeCompressed(std::uint8_t protocol) {
    Bytes bytes(7);
    bytes[0] = 0x11;
    bytes[6] = protocol;
    return add(Kind::pppoe, 0x8864, bytes);
}

Packet& Packet::IPv4(std::string_view from, std::string_view to) {
    Bytes bytes(12);
    bytes[0] = 0x45;
    bytes[8] = 64;
    append(bytes, octets_of(from));
    append(bytes, octets_of(to));
    const bool inner = !layers_.empty() && layers_.back().kind != Kind::ethernet;
    return add(Kind::ipv4, inner ? IPPROTO_IPIP : 0x0800, bytes);
}

Packet& Packet::IPv6(std::string_view from, std::string_view to) {
    Bytes bytes(8);
    bytes[0] = 0x60;
    bytes[7] = 64;
    append(bytes, octets_of(from));
    append(bytes, octets_of(to));
    const bool inner = !layers_.empty() && layers_.back().kind != Kind::ethernet;
    return add(Kind::ipv6, inner ? IPPROTO_IPV6 : 0x86dd, bytes);
}

Packet& Packet::extension(std::uint16_t number, std::uint8_t length, std::size_t size) {
    Bytes bytes(size);
    bytes.at(1) = length;
    return add(Kind::extension, number, bytes);
}

Packet& Packet::HopByHop(std::uint8_t length) {
    return extension(0, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::Routing(std::uint8_t length) {
    return extension(43, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::DestinationOptions(std::uint8_t length) {
    return extension(60, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::Authentication(std::uint8_t length) {
    return extension(51, length, (length + std::size_t{2}) * 4);
}

Packet& Packet::Mobility(std::uint8_t length) {
    return extension(135, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::Hip(std::uint8_t length) {
    return extension(139, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::Shim6(std::uint8_t length) {
    return extension(140, length, (length + std::size_t{1}) * 8);
}

Packet& Packet::Fragment(std::uint16_t offset, bool more) {
    extension(44, 0, 8);
    put16(layers_.back().bytes, 2, static_cast<std::uint16_t>(offset << 3 | (more ? 1 : 0)));
    return *this;
}

Packet& Packet::Tcp(std::uint16_t from, std::uint16_t to) {
    Bytes bytes(tcp_header);
    put16(bytes, 0, from);
    put16(bytes, 2, to);
    bytes[12] = 0x50;
    put16(bytes, 14, 64240);
    return add(Kind::tcp, IPPROTO_TCP, bytes);
}

Packet& Packet::Udp(std::uint16_t from, std::uint16_t to) {
    Bytes bytes(8);
    put16(bytes, 0, from);
    put16(bytes, 2, to);
    return add(Kind::udp, IPPROTO_UDP, bytes);
}

Packet& Packet::Payload(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; i++) {
        bytes[i] = static_cast<std::uint8_t>(i * 31 + 7);
    }
    return add(Kind::payload, 0, bytes);
}

Packet& Packet::Raw(Bytes bytes) {
    return add(Kind::payload, 0, std::move(bytes));
}

Packet& Packet::Next(std::uint16_t protocol) {
    layers_.back().next = protocol;
    return *this;
}

Packet& Packet::Length(std::uint16_t length) {
    layers_.back().length = length;
    return *this;
}

Packet& Packet::Version(std::uint8_t version) {
    auto& first = layers_.back().bytes.at(0);
    first = static_cast<std::uint8_t>(version << 4 | (first & 0xf));
    return *this;
}

Packet& Packet::Ihl(std::uint8_t words) {
    auto& first = last(Kind::ipv4).bytes.at(0);
    first = static_cast<std::uint8_t>((first & 0xf0) | words);
    return *this;
}

Packet& Packet::Options(std::size_t words) {
    last(Kind::ipv4).bytes.resize(ipv4_header + words * 4, 1);
    return Ihl(static_cast<std::uint8_t>(5 + words));
}

Packet& Packet::FragmentAt(std::uint16_t offset, bool more) {
    put16(last(Kind::ipv4).bytes, 6, static_cast<std::uint16_t>(offset | (more ? 0x2000 : 0)));
    return *this;
}

Packet& Packet::DontFragment() {
    put16(last(Kind::ipv4).bytes, 6, 0x4000);
    return *this;
}

Packet& Packet::Tos(std::uint8_t octet) {
    last(Kind::ipv4).bytes.at(1) = octet;
    return *this;
}

Packet& Packet::Flags(std::uint8_t flags) {
    last(Kind::tcp).bytes.at(13) = flags;
    return *this;
}

Packet& Packet::Seq(std::uint32_t number) {
    put32(last(Kind::tcp).bytes, 4, number);
    return *this;
}

Packet& Packet::Ack(std::uint32_t number) {
    put32(last(Kind::tcp).bytes, 8, number);
    return *this;
}

Packet& Packet::Window(std::uint16_t window) {
    put16(last(Kind::tcp).bytes, 14, window);
    return *this;
}

Packet& Packet::TcpOptions(std::size_t words) {
    last(Kind::tcp).bytes.resize(tcp_header + words * 4, 1);
    return DataOffset(static_cast<std::uint8_t>(5 + words));
}

Packet& Packet::DataOffset(std::uint8_t words) {
    last(Kind::tcp).bytes.at(12) = static_cast<std::uint8_t>(words << 4);
    return *this;
}

Packet& Packet::Padding(std::size_t size) {
    padding_ = size;
    return *this;
}

Packet& Packet::Truncate(std::size_t size) {
    truncated_ = size;
    return *this;
}

void Packet::set_next(Layer& layer, const Layer* following) {
    const bool names = following != nullptr && following->number != 0;
    // Hop-by-hop options are number 0, which says so by being an extension.
    const std::uint16_t found = following != nullptr && (names || following->kind == Kind::extension)
                                    ? following->number
                                    : std::uint16_t{59};
    const std::uint16_t next = layer.next.value_or(found);
    switch (layer.kind) {
        case Kind::ethernet:
            put16(layer.bytes, layer.bytes.size() - 2, next);
            break;
        case Kind::ipv4:
            layer.bytes.at(9) = static_cast<std::uint8_t>(next);
            break;
        case Kind::ipv6:
            layer.bytes.at(6) = static_cast<std::uint8_t>(next);
            break;
        case Kind::extension:
            layer.bytes.at(0) = static_cast<std::uint8_t>(next);
            break;
        case Kind::mpls:  // the last label is the bottom of the stack
            layer.bytes.at(2) |= following != nullptr && following->kind == Kind::mpls ? 0 : 1;
            break;
        default:
            break;
    }
}

void Packet::set_length(Layer& layer, std::size_t behind) {
    if (layer.kind == Kind::ipv4) {
        put16(layer.bytes, 2, layer.length.value_or(static_cast<std::uint16_t>(layer.bytes.size() + behind)));
    } else if (layer.kind == Kind::ipv6) {
        put16(layer.bytes, 4, layer.length.value_or(static_cast<std::uint16_t>(behind)));
    } else if (layer.kind == Kind::pppoe) {
        put16(layer.bytes, 4,
              layer.length.value_or(static_cast<std::uint16_t>(behind + layer.bytes.size() - 6)));
    } else if (layer.kind == Kind::udp) {
        put16(layer.bytes, 4, static_cast<std::uint16_t>(behind + layer.bytes.size()));
    }
}

void Packet::set_checksum(Layer& layer, const Layer* ip, const Bytes& behind) {
    if (layer.kind == Kind::ipv4) {
        put16(layer.bytes, 10, complement(sum_octets(layer.bytes)));
    }
    if ((layer.kind != Kind::tcp && layer.kind != Kind::udp) || ip == nullptr) {
        return;
    }
    // The pseudo header: addresses, protocol, length (RFC 9293, 3.1; RFC 8200, 8.1).
    const std::size_t addresses = ip->kind == Kind::ipv4 ? 12 : 8;
    const std::size_t size = ip->kind == Kind::ipv4 ? 8 : 32;
    Bytes pseudo(ip->bytes.begin() + static_cast<std::ptrdiff_t>(addresses),
                 ip->bytes.begin() + static_cast<std::ptrdiff_t>(addresses + size));
    const auto length = static_cast<std::uint16_t>(layer.bytes.size() + behind.size());
    append(pseudo, {0, static_cast<std::uint8_t>(layer.number), static_cast<std::uint8_t>(length >> 8),
                    static_cast<std::uint8_t>(length)});
    const auto sum = sum_octets(behind, sum_octets(layer.bytes, sum_octets(pseudo)));
    put16(layer.bytes, layer.kind == Kind::tcp ? 16 : 6, complement(sum));
}

Bytes Packet::bytes() const {
    auto layers = layers_;
    Bytes behind;
    for (std::size_t i = layers.size(); i-- > 0;) {
        auto& layer = layers[i];
        set_next(layer, i + 1 < layers.size() ? &layers[i + 1] : nullptr);
        set_length(layer, behind.size());
        const Layer* ip = nullptr;
        for (std::size_t before = 0; before < i; before++) {
            if (layers[before].kind == Kind::ipv4 || layers[before].kind == Kind::ipv6) {
                ip = &layers[before];
            }
        }
        set_checksum(layer, ip, behind);
        behind.insert(behind.begin(), layer.bytes.begin(), layer.bytes.end());
    }
    behind.resize(behind.size() + padding_, 0xa5);
    if (truncated_) {
        behind.resize(*truncated_);
    }
    return behind;
}

}  // namespace sekisho::bpftest
