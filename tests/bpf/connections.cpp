// SPDX-License-Identifier: Apache-2.0
// Frames of connections, and a look into the maps.
#include "tests/bpf/connections.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

namespace sekisho::bpftest {
namespace {

constexpr const char* inside4 = "198.51.100.8";
constexpr const char* aftr6 = "2001:db8:ffff::aaaa";

bool passes(sekisho_reason reason) {
    return reason == SEKISHO_REASON_FLOW || reason == SEKISHO_REASON_GRANTED ||
           reason == SEKISHO_REASON_FLOW_UNRECORDED || reason == SEKISHO_REASON_EXEMPT ||
           reason == SEKISHO_REASON_UPLINK;
}

}  // namespace

void PrintTo(const Line& line, std::ostream* out) {
    *out << line.name;
}

std::string line_name(const testing::TestParamInfo<Line>& info) {
    return info.param.name;
}

const std::vector<Line>& lines() {
    static const std::vector<Line> all = [] {
        std::vector<Line> both;
        for (const Kind kind : {Kind::xdp, Kind::tc}) {
            both.push_back({name(kind) + "IPv4", kind, drop4, mx4, drop4, 32});
            both.push_back({name(kind) + "IPv6", kind, drop6, mx6, drop6, 56});
            both.push_back({name(kind) + "Hashed", kind, hashed4, mx4, hashed4, 32});
            both.push_back({name(kind) + "Tunnel", kind, inside4, mx4, drop6, 56, true});
            both.push_back({.name = name(kind) + "Monitored",
                            .kind = kind,
                            .source = monitor4,
                            .destination = mx4,
                            .subscriber = monitor4,
                            .key_bits = 32,
                            .blocked = SEKISHO_MONITOR});
        }
        return both;
    }();
    return all;
}

void Connections::SetUp() {
    fresh_table();
    auto& programs = Programs::get();
    sekisho_table& table = Programs::get().table();
    table.flow_limit = 1000;
    table.flow_idle_s = 900;
    sekisho_interface interface{};
    interface.tunnels = GetParam().tunnel ? 1 : 0;
    programs.put_interface(1, interface);
    const auto bit = example_table().bit_of(GetParam().subscriber);
    ASSERT_TRUE(bit);
    table.bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
    std::ignore = events();
}

void Connections::grant(std::int64_t seconds, std::int32_t budget, std::uint32_t of) const {
    sekisho_entry entry{};
    entry.key = key_of(GetParam().subscriber, GetParam().key_bits);
    entry.key_bits = static_cast<std::uint8_t>(GetParam().key_bits);
    entry.expires_ns = boottime() + static_cast<std::uint64_t>(seconds * 1'000'000'000);
    entry.generation = of;
    entry.budget_left = budget;
    entry.flags = SEKISHO_ENTRY_GRANT;
    Programs::get().put_entry(entry);
}

void Connections::end_grant() const {
    sekisho_entry entry = this->entry();
    entry.expires_ns = 1;
    Programs::get().put_entry(entry);
}

sekisho_entry Connections::entry() const {
    return Programs::get()
        .entries()
        .find(key_of(GetParam().subscriber, GetParam().key_bits))
        .value_or(sekisho_entry{});
}

Packet Connections::segment(std::uint16_t port, std::uint8_t flags, std::uint32_t seq) const {
    const Line& line = GetParam();
    Packet packet = Eth();
    if (line.tunnel) {
        packet.IPv6(line.subscriber, aftr6);
    }
    if (std::string_view(line.source).find(':') != std::string_view::npos) {
        packet.IPv6(line.source, line.destination);
    } else {
        packet.IPv4(line.source, line.destination);
    }
    return packet.Tcp(port, 25).Flags(flags).Seq(seq);
}

Packet Connections::syn(std::uint16_t port, std::uint32_t seq) const {
    return segment(port, 0x02, seq);
}

sekisho_reason Connections::judge(const Packet& packet, Role role) const {
    const auto& programs = Programs::get();
    const Counts before = programs.counts();
    const Outcome outcome = programs.run(GetParam().kind, packet.bytes(), {}, role);
    for (const auto& [place, counted] : programs.counts()) {
        const auto known = before.find(place);
        if (known == before.end() || known->second.first != counted.first) {
            const auto reason = static_cast<sekisho_reason>(place.first);
            const auto expected = passes(reason)         ? SEKISHO_PASS
                                  : role == Role::uplink ? SEKISHO_DROP
                                                         : GetParam().blocked;
            EXPECT_EQ(place.second, expected) << "reason " << place.first;
            EXPECT_EQ(outcome.fate, fate_of(expected));
            return reason;
        }
    }
    ADD_FAILURE() << "nothing was counted";
    return SEKISHO_REASON_NO_TABLE;
}

sekisho_flow_key Connections::flow_key(std::uint16_t port) const {
    const Line& line = GetParam();
    sekisho_flow_key key{};
    key.subscriber = key_of(line.subscriber, line.key_bits);
    const Number source = number_of(line.source);
    const Number destination = number_of(line.destination);
    key.source[0] = source.high;
    key.source[1] = source.low;
    key.destination[0] = destination.high;
    key.destination[1] = destination.low;
    key.source_port = htons(port);
    key.destination_port = htons(25);
    return key;
}

std::optional<sekisho_flow> Connections::flow(std::uint16_t port) const {
    const sekisho_flow_key key = flow_key(port);
    sekisho_flow found{};
    return bpf_map_lookup_elem(Programs::get().map("sekisho_flows"), &key, &found) == 0 ? std::optional(found)
                                                                                        : std::nullopt;
}

void Connections::put_flow(std::uint16_t port, const sekisho_flow& flow) const {
    const sekisho_flow_key key = flow_key(port);
    ASSERT_EQ(bpf_map_update_elem(Programs::get().map("sekisho_flows"), &key, &flow, BPF_ANY), 0);
}

std::vector<sekisho_event> Connections::events() {
    std::vector<sekisho_event> came;
    ring_buffer* ring = ring_buffer__new(
        Programs::get().map("sekisho_events"),
        [](void* to, void* data, std::size_t) {
            static_cast<std::vector<sekisho_event>*>(to)->push_back(*static_cast<sekisho_event*>(data));
            return 0;
        },
        &came, nullptr);
    EXPECT_NE(ring, nullptr);
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
    return came;
}

}  // namespace sekisho::bpftest
