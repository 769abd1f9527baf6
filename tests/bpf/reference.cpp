// SPDX-License-Identifier: Apache-2.0
// The reference.
#include "tests/bpf/reference.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <variant>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {
namespace {

using Octets = std::span<const std::uint8_t>;

// What was found in a frame ends with a reason, or goes on.
using Reason = sekisho_reason;

std::size_t number16(Octets octets, std::size_t at) {
    return static_cast<std::size_t>(octets[at] << 8 | octets[at + 1]);
}

// An IP packet and what surrounds it: all that may belong to it, whether that is only a fragment of it, and
// whether a device will cut it up (then IPv4's length may be 0, as the kernel's iph_totlen() knows).
struct IpPacket {
    Octets octets;
    bool fragment = false;
    bool offloaded = false;
};

// The upper layer of an IP packet.
struct Upper {
    Octets source;
    Octets destination;
    std::uint8_t protocol = 0;
    Octets octets;
    bool first_fragment = false;  // there is more of it elsewhere
    bool later_fragment = false;
    std::size_t offset = 0;  // of a later fragment, in units of eight octets
};

bool is_tag(std::size_t type) {
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

// RFC 3032: label stack entries of four octets, the lowest bit of the third marks the bottom.
std::variant<Reason, IpPacket> behind_labels(Octets rest) {
    for (int depth = 0; depth < 4; depth++) {
        if (rest.size() < 4) {
            return SEKISHO_REASON_FRAME_TRUNCATED;
        }
        const bool bottom = (rest[2] & 1) != 0;
        rest = rest.subspan(4);
        if (bottom) {
            const bool ip = !rest.empty() && (rest[0] >> 4 == 4 || rest[0] >> 4 == 6);
            return ip ? std::variant<Reason, IpPacket>(IpPacket{rest}) : SEKISHO_REASON_MPLS_NOT_IP;
        }
    }
    return SEKISHO_REASON_MPLS_TOO_DEEP;
}

struct Framed {
    IpPacket packet;
    int version;
};

// RFC 2516, section 4: version and type, code, session, length; then PPP's protocol field (RFC 1661, section
// 2).
std::variant<Reason, Framed> behind_pppoe(Octets rest) {
    if (rest.size() < 6) {
        return SEKISHO_REASON_PPPOE_MALFORMED;
    }
    const std::size_t length = number16(rest, 4);
    rest = rest.subspan(6);
    if (length < 2 || length > rest.size()) {
        return SEKISHO_REASON_PPPOE_MALFORMED;
    }
    rest = rest.first(length);
    const bool compressed = (rest[0] & 1) != 0;
    const std::size_t protocol = compressed ? rest[0] : number16(rest, 0);
    rest = rest.subspan(compressed ? 1 : 2);
    if (protocol == 0x21) {
        return Framed{{rest}, 4};
    }
    if (protocol == 0x57) {
        return Framed{{rest}, 6};
    }
    return SEKISHO_REASON_PPP_NOT_IP;
}

std::variant<Reason, Framed> behind_frame(Octets frame) {
    if (frame.size() < 14) {
        return SEKISHO_REASON_FRAME_TRUNCATED;
    }
    std::size_t type = number16(frame, 12);
    Octets rest = frame.subspan(14);
    for (int tags = 0; is_tag(type); tags++) {
        if (tags == 4) {
            return SEKISHO_REASON_TAGS_TOO_DEEP;
        }
        if (rest.size() < 4) {
            return SEKISHO_REASON_FRAME_TRUNCATED;
        }
        type = number16(rest, 2);
        rest = rest.subspan(4);
    }
    switch (type) {
        case 0x0800:
            return Framed{{rest}, 4};
        case 0x86dd:
            return Framed{{rest}, 6};
        case 0x8864:
            return behind_pppoe(rest);
        case 0x8847:
        case 0x8848: {
            const auto inside = behind_labels(rest);
            if (const auto* packet = std::get_if<IpPacket>(&inside)) {
                return Framed{*packet, packet->octets[0] >> 4};
            }
            return std::get<Reason>(inside);
        }
        default:
            return SEKISHO_REASON_NOT_IP;
    }
}

// RFC 791, 3.1. What the lengths of a fragment say is true of the whole.
std::variant<Reason, Upper> read_ipv4(const IpPacket& packet) {
    const Octets octets = packet.octets;
    if (octets.size() < 20 || octets[0] >> 4 != 4) {
        return SEKISHO_REASON_IPV4_MALFORMED;
    }
    const std::size_t header = std::size_t{octets[0] & 15U} * 4;
    std::size_t total = number16(octets, 2);
    if (packet.fragment) {
        total = std::min(total, octets.size());
    }
    if (packet.offloaded && total == 0) {
        total = octets.size();
    }
    if (header < 20 || total < header || total > octets.size()) {
        return SEKISHO_REASON_IPV4_MALFORMED;
    }
    const std::size_t field = number16(octets, 6);
    const std::size_t offset = field & 0x1fff;
    return Upper{.source = octets.subspan(12, 4),
                 .destination = octets.subspan(16, 4),
                 .protocol = octets[9],
                 .octets = octets.subspan(header, total - header),
                 .first_fragment = packet.fragment || (offset == 0 && (field & 0x2000) != 0),
                 .later_fragment = offset != 0,
                 .offset = offset};
}

bool is_extension(std::uint8_t protocol) {
    constexpr std::array<std::uint8_t, 8> all{0, 43, 44, 51, 60, 135, 139, 140};
    return std::ranges::find(all, protocol) != all.end();
}

// RFC 8200, section 4; RFC 4302, 2.2 for AH.
std::variant<Reason, Upper> read_ipv6(const IpPacket& packet) {
    const Octets octets = packet.octets;
    if (octets.size() < 40 || octets[0] >> 4 != 6) {
        return SEKISHO_REASON_IPV6_MALFORMED;
    }
    std::size_t payload = number16(octets, 4);
    if (payload == 0) {
        payload = octets.size() - 40;  // a jumbogram: as much as there is
    }
    if (packet.fragment) {
        payload = std::min(payload, octets.size() - 40);
    }
    if (payload > octets.size() - 40) {
        return SEKISHO_REASON_IPV6_MALFORMED;
    }
    Upper upper{.source = octets.subspan(8, 16),
                .destination = octets.subspan(24, 16),
                .protocol = octets[6],
                .octets = octets.subspan(40, payload),
                .first_fragment = packet.fragment};
    for (int headers = 0; is_extension(upper.protocol); headers++) {
        if (headers == 8) {
            return SEKISHO_REASON_HEADER_CHAIN;
        }
        const auto gone = [&] {
            return upper.first_fragment ? SEKISHO_REASON_TINY_FRAGMENT : SEKISHO_REASON_HEADER_CHAIN;
        };
        if (upper.octets.size() < 8) {
            return gone();
        }
        std::size_t size = (upper.octets[1] + std::size_t{1}) * 8;
        if (upper.protocol == 51) {
            size = (upper.octets[1] + std::size_t{2}) * 4;
        }
        if (upper.protocol == 44) {
            const std::size_t field = number16(upper.octets, 2);
            size = 8;
            if (field >> 3 != 0) {
                upper.later_fragment = true;
                upper.offset = field >> 3;
                upper.protocol = upper.octets[0];
                return upper;
            }
            upper.first_fragment = upper.first_fragment || (field & 1) != 0;
        }
        if (upper.octets.size() < size) {
            return gone();
        }
        upper.protocol = upper.octets[0];
        upper.octets = upper.octets.subspan(size);
    }
    return upper;
}

std::variant<Reason, Upper> read_ip(const IpPacket& packet, int version) {
    return version == 4 ? read_ipv4(packet) : read_ipv6(packet);
}

bool is_tunnel(std::uint8_t protocol) {
    return protocol == 4 || protocol == 41;
}

constexpr auto to_port_25 = SEKISHO_REASONS;

// What the upper layer alone decides; to_port_25 if its sender has to be asked for.
Reason reason_of(const Upper& upper) {
    if (upper.later_fragment) {
        return upper.offset == 1 && upper.protocol == 6 ? SEKISHO_REASON_FRAGMENT_AT_ONE
                                                        : SEKISHO_REASON_LATER_FRAGMENT;
    }
    if (upper.protocol != 6) {
        return SEKISHO_REASON_NOT_TCP;
    }
    const Reason lacking = upper.first_fragment ? SEKISHO_REASON_TINY_FRAGMENT : SEKISHO_REASON_TCP_MALFORMED;
    if (upper.octets.size() < 20) {
        return lacking;
    }
    const std::size_t header = (upper.octets[12] >> 4) * std::size_t{4};
    if (header < 20) {
        return SEKISHO_REASON_TCP_MALFORMED;
    }
    if (header > upper.octets.size()) {
        return lacking;
    }
    return number16(upper.octets, 2) == 25 ? to_port_25 : SEKISHO_REASON_PORT_NOT_ENFORCED;
}

sekisho_verdict verdict_of(Reason reason) {
    switch (reason) {
        case SEKISHO_REASON_NOT_IP:
        case SEKISHO_REASON_MPLS_TOO_DEEP:
        case SEKISHO_REASON_MPLS_NOT_IP:
        case SEKISHO_REASON_PPP_NOT_IP:
        case SEKISHO_REASON_TUNNEL:
        case SEKISHO_REASON_LATER_FRAGMENT:
        case SEKISHO_REASON_NOT_TCP:
        case SEKISHO_REASON_PORT_NOT_ENFORCED:
            return SEKISHO_PASS;
        default:
            return SEKISHO_DROP;
    }
}

Reference::Network network_of(const std::string& text) {
    const auto slash = text.find('/');
    auto octets = octets_of(text.substr(0, slash));
    const std::size_t length =
        slash == std::string::npos ? octets.size() * 8 : std::stoul(text.substr(slash + 1));
    return {.octets = std::move(octets), .length = length};
}

bool is_in(Octets address, const Reference::Network& network) {
    if (address.size() != network.octets.size()) {
        return false;
    }
    for (std::size_t bit = 0; bit < network.length; bit++) {
        if (((address[bit / 8] ^ network.octets[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

bool in_any(Octets address, const std::vector<Reference::Network>& networks) {
    return std::ranges::any_of(networks,
                               [&](const Reference::Network& each) { return is_in(address, each); });
}

// IPv4: ::ffff:a.b.c.d; IPv6: the address without what lies behind the key's length.
sekisho_key key_of(Octets address, int key_bits) {
    sekisho_key key{};
    const std::span octets(key.bytes);
    if (address.size() == 4) {
        octets[10] = octets[11] = 0xff;
        std::ranges::copy(address, octets.begin() + 12);
        return key;
    }
    for (std::size_t bit = 0; bit < static_cast<std::size_t>(key_bits); bit++) {
        octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] | (address[bit / 8] & (0x80 >> bit % 8)));
    }
    return key;
}

Opinion of_shape(Reason reason) {
    return {reason, verdict_of(reason)};
}

}  // namespace

Reference::Reference(const Policy& policy, Knowledge knowledge, bool inspects_tunnels, bool validates_sources)
    : knowledge_(std::move(knowledge)),
      inspects_tunnels_(inspects_tunnels),
      validates_sources_(validates_sources) {
    for (const Pool& pool : policy.pools) {
        pools_.emplace_back(network_of(pool.prefix), pool);
    }
    // The longest prefix that fits comes first.
    std::ranges::sort(pools_, std::greater(), [](const auto& each) { return each.first.length; });
    for (const std::string& prefix : policy.designated) {
        designated_.push_back(network_of(prefix));
    }
    for (const std::string& prefix : policy.own) {
        own_.push_back(network_of(prefix));
    }
    for (const std::string& prefix : policy.foreign) {
        foreign_.push_back(network_of(prefix));
    }
}

// RFC 4291, 2.5.2 and 2.5.6: who has no address yet, and who speaks to the link only.
bool Reference::may_be_anybody(Octets source) {
    const bool unspecified = std::ranges::all_of(source, [](std::uint8_t octet) { return octet == 0; });
    return unspecified || (source.size() == 16 && source[0] == 0xfe && (source[1] & 0xc0) == 0x80);
}

Opinion Reference::judge(Octets frame, bool offloaded) const {
    const auto framed = behind_frame(frame);
    if (const auto* reason = std::get_if<Reason>(&framed)) {
        return of_shape(*reason);
    }
    auto [packet, version] = std::get<Framed>(framed);
    packet.offloaded = offloaded;
    const auto read = read_ip(packet, version);
    const auto* reason_of_ip = std::get_if<Reason>(&read);
    const bool malformed = reason_of_ip != nullptr && (*reason_of_ip == SEKISHO_REASON_IPV4_MALFORMED ||
                                                       *reason_of_ip == SEKISHO_REASON_IPV6_MALFORMED);
    if (validates_sources_ && !malformed) {
        const Octets source = version == 4 ? packet.octets.subspan(12, 4) : packet.octets.subspan(8, 16);
        if (!may_be_anybody(source) &&
            std::ranges::none_of(pools_, [&](const auto& each) { return is_in(source, each.first); })) {
            return of_shape(SEKISHO_REASON_SOURCE_INVALID);
        }
    }
    if (reason_of_ip != nullptr) {
        return of_shape(*reason_of_ip);
    }
    const auto& outer = std::get<Upper>(read);
    // A later fragment has no upper layer; only IPv4 says in each fragment what it is a part of.
    if (!is_tunnel(outer.protocol) || (version == 6 && outer.later_fragment)) {
        const Reason reason = reason_of(outer);
        return reason == to_port_25 ? of_segment(outer.source, outer.source, outer.destination)
                                    : of_shape(reason);
    }
    const bool other_family = version == 4 ? outer.protocol == 41 : outer.protocol == 4;
    if (!inspects_tunnels_ || !other_family) {
        return of_shape(SEKISHO_REASON_TUNNEL);
    }
    if (outer.later_fragment) {
        return of_shape(outer.offset == 1 ? SEKISHO_REASON_FRAGMENT_AT_ONE : SEKISHO_REASON_LATER_FRAGMENT);
    }
    const auto inside = read_ip({outer.octets, outer.first_fragment, offloaded}, version == 4 ? 6 : 4);
    if (const auto* reason = std::get_if<Reason>(&inside)) {
        return of_shape(*reason);
    }
    const auto& inner = std::get<Upper>(inside);
    if (is_tunnel(inner.protocol) && (version != 4 || !inner.later_fragment)) {
        return of_shape(SEKISHO_REASON_TUNNEL);
    }
    const Reason reason = reason_of(inner);
    if (reason != to_port_25) {
        return of_shape(reason);
    }
    return of_segment(outer.source, inner.source, inner.destination);
}

const Pool* Reference::pool_of(Octets address) const {
    const auto found =
        std::ranges::find_if(pools_, [&](const auto& each) { return is_in(address, each.first); });
    return found == pools_.end() ? nullptr : &found->second;
}

bool Reference::is_barred(Octets source, Octets destination) const {
    return in_any(source, foreign_) && in_any(destination, own_);
}

Opinion Reference::judge_uplink(Octets frame, sekisho_replies replies) const {
    constexpr Opinion fine{SEKISHO_REASON_UPLINK, SEKISHO_PASS};
    const auto framed = behind_frame(frame);
    const auto* found = std::get_if<Framed>(&framed);
    if (found == nullptr) {
        return fine;
    }
    const auto read = read_ip(found->packet, found->version);
    const auto* upper = std::get_if<Upper>(&read);
    if (upper == nullptr) {
        return fine;
    }
    const Reason shape = reason_of(*upper);
    if (shape != to_port_25 && shape != SEKISHO_REASON_PORT_NOT_ENFORCED) {
        return fine;  // no TCP header to be read
    }
    const bool reply = replies != SEKISHO_REPLIES_OFF && number16(upper->octets, 0) == 25;
    const bool inbound = shape == to_port_25;
    const Pool* pool = pool_of(upper->destination);
    if (inbound && pool_of(upper->source) == nullptr && is_barred(upper->source, upper->destination)) {
        return {SEKISHO_REASON_FOREIGN_DYNAMIC, SEKISHO_DROP};
    }
    if (pool == nullptr) {
        return fine;
    }
    // Whether the subscriber may speak with who speaks to him.
    const Reason may = of_segment(upper->destination, upper->destination, upper->source).reason;
    const auto verdict = pool->action == SEKISHO_MONITOR ? SEKISHO_MONITOR : SEKISHO_DROP;
    const bool served = may == SEKISHO_REASON_DESIGNATED;
    const bool refused = replies == SEKISHO_REPLIES_DESIGNATED
                             ? !served
                             : may == SEKISHO_REASON_NOT_GRANTED || may == SEKISHO_REASON_QUARANTINED;
    if (reply && refused) {
        return {SEKISHO_REASON_UPLINK_REPLY, verdict};
    }
    if (inbound && pool->closed && !served && may != SEKISHO_REASON_EXEMPT) {
        return {SEKISHO_REASON_UPLINK_INBOUND, verdict};
    }
    return fine;
}

Opinion Reference::of_segment(Octets line, Octets source, Octets destination) const {
    const Pool* pool = pool_of(line);
    const std::uint8_t known = pool == nullptr ? std::uint8_t{0} : knowledge_(key_of(line, pool->key_bits));
    if (pool == nullptr && is_barred(source, destination)) {
        return {SEKISHO_REASON_FOREIGN_DYNAMIC, SEKISHO_DROP};
    }
    if ((known & SEKISHO_ENTRY_QUARANTINE) != 0) {
        return {SEKISHO_REASON_QUARANTINED, pool->action};
    }
    if (in_any(destination, designated_)) {
        return {SEKISHO_REASON_DESIGNATED, SEKISHO_PASS};
    }
    if (pool == nullptr) {
        return {SEKISHO_REASON_NO_POOL, SEKISHO_PASS};
    }
    if (pool->exempt || (known & SEKISHO_ENTRY_EXEMPT) != 0) {
        return {SEKISHO_REASON_EXEMPT, SEKISHO_PASS};
    }
    if ((known & SEKISHO_ENTRY_GRANT) != 0) {
        return {SEKISHO_REASON_GRANTED, SEKISHO_PASS};
    }
    return {SEKISHO_REASON_NOT_GRANTED, pool->action};
}

}  // namespace sekisho::bpftest
