// SPDX-License-Identifier: Apache-2.0
// Frames cut at every octet, packets that aren't linear, tables at their limits, and the programs that judge
// nothing.
#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

class Bounds : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override { fresh_table(); }

    void expect(const std::string& what, const Packet& packet, sekisho_reason reason,
                sekisho_verdict verdict) const {
        SCOPED_TRACE(what);
        fresh_table();
        judge(GetParam(), {what, packet, reason, verdict});
    }
};

INSTANTIATE_TEST_SUITE_P(Each, Bounds, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

// The IP header's length says more than there is: dropped, as any stack would.
TEST_P(Bounds, CutAtEveryOctet) {
    const auto four = Eth().IPv4(reset4, mx4).Tcp(1024, 25).Syn().TcpOptions(5);
    const auto six = Eth().IPv6(reset6, mx6).HopByHop().Fragment(0, false).Tcp(1024, 25).Syn().TcpOptions(5);
    for (std::size_t size = 15; size < four.bytes().size(); size++) {
        expect("IPv4, " + std::to_string(size), Packet(four).Truncate(size), SEKISHO_REASON_IPV4_MALFORMED,
               SEKISHO_DROP);
    }
    for (std::size_t size = 15; size < six.bytes().size(); size++) {
        expect("IPv6, " + std::to_string(size), Packet(six).Truncate(size), SEKISHO_REASON_IPV6_MALFORMED,
               SEKISHO_DROP);
    }
}

// The same behind labels and in a session, whose own headers are cut, too.
TEST_P(Bounds, CutAtEveryOctetInAShell) {
    const auto labelled = Eth().Vlan(7).Mpls(16).Mpls(17).IPv4(drop4, mx4).Tcp(1024, 25).Syn();
    for (std::size_t size = 18; size < labelled.bytes().size(); size++) {
        const auto reason = size < 26    ? SEKISHO_REASON_FRAME_TRUNCATED
                            : size == 26 ? SEKISHO_REASON_MPLS_NOT_IP
                                         : SEKISHO_REASON_IPV4_MALFORMED;
        expect("MPLS, " + std::to_string(size), Packet(labelled).Truncate(size), reason,
               size == 26 ? SEKISHO_PASS : SEKISHO_DROP);
    }
    const auto session = Eth().Vlan(7).Pppoe(0x0057).IPv6(drop6, mx6).Tcp(1024, 25).Syn();
    for (std::size_t size = 18; size < session.bytes().size(); size++) {
        expect("PPPoE, " + std::to_string(size), Packet(session).Truncate(size),
               SEKISHO_REASON_PPPOE_MALFORMED, SEKISHO_DROP);
    }
    for (std::uint16_t carried = 2; carried < 2 + 60; carried++) {
        const auto lying = Eth().Vlan(7).Pppoe(0x0057).Length(carried).IPv6(drop6, mx6).Tcp(1024, 25).Syn();
        expect("PPPoE of " + std::to_string(carried), lying, SEKISHO_REASON_IPV6_MALFORMED, SEKISHO_DROP);
    }
}

// The lengths are right for what is left: what lacks is the TCP header, or a part of the chain.
TEST_P(Bounds, ShortAtEveryOctet) {
    for (std::uint16_t size = 0; size < 40; size++) {
        const auto packet =
            Eth().IPv4(reset4, mx4).Length(static_cast<std::uint16_t>(20 + size)).Tcp(1024, 25);
        expect("IPv4, " + std::to_string(size), Packet(packet).Syn().TcpOptions(5).Truncate(34U + size),
               SEKISHO_REASON_TCP_MALFORMED, SEKISHO_DROP);
    }
    for (std::uint16_t size = 1; size < 16 + 40; size++) {
        const auto packet = Eth().IPv6(reset6, mx6).Length(size).HopByHop().Fragment(0, false).Tcp(1024, 25);
        expect("IPv6, " + std::to_string(size), Packet(packet).Syn().TcpOptions(5).Truncate(54U + size),
               size < 16 ? SEKISHO_REASON_HEADER_CHAIN : SEKISHO_REASON_TCP_MALFORMED, SEKISHO_DROP);
    }
}

// A first fragment, cut likewise: never passed, because its TCP header can't be seen.
TEST_P(Bounds, ShortFirstFragmentAtEveryOctet) {
    for (std::uint16_t size = 0; size < 40; size++) {
        const auto packet = Eth()
                                .IPv4(reset4, mx4)
                                .Length(static_cast<std::uint16_t>(20 + size))
                                .FragmentAt(0, true)
                                .Tcp(1024, 25);
        expect("IPv4, " + std::to_string(size), Packet(packet).Syn().TcpOptions(5).Truncate(34U + size),
               SEKISHO_REASON_TINY_FRAGMENT, SEKISHO_DROP);
    }
}

TEST_P(Bounds, LargePackets) {
    expect("data of 8 KiB", Eth().IPv4(drop4, mx4).Tcp(1024, 25).Flags(0x18).Payload(8192),
           SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP);
    expect("data of 8 KiB, answered", Eth().IPv4(reset4, mx4).Tcp(1024, 25).Syn().Payload(8192),
           SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET);
    expect("data of 8 KiB over IPv6", Eth().IPv6(reset6, mx6).Tcp(1024, 25).Syn().Payload(8192),
           SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET);
    expect("no IP", Eth().Next(0x88b5).Payload(8192), SEKISHO_REASON_NOT_IP, SEKISHO_PASS);
    expect("another port", Eth().IPv4(reset4, mx4).Tcp(1024, 26).Syn().Payload(8192),
           SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS);
}

// A chain longer than a page: only a helper reaches what is behind it. TC takes out at most 4,095 octets at
// once, so there the segment is dropped without an answer, and counted so.
TEST_P(Bounds, HeadersBeyondAPage) {
    const auto packet =
        Eth().IPv6(reset6, mx6).HopByHop(255).DestinationOptions(255).Routing(255).Tcp(1024, 25).Syn();
    expect("a chain of 6 KiB", packet, SEKISHO_REASON_NOT_GRANTED,
           GetParam() == Kind::xdp ? SEKISHO_RESET : SEKISHO_DROP);
}

// Segmentation offload announces IPv4 packets beyond 64 KiB by a total length of 0 (BIG TCP); a wire can't.
TEST(BoundsOfOffload, TotalLengthZeroIsJudgedByThePacket) {
    fresh_table();
    auto& programs = Programs::get();
    const auto frame = Eth().IPv4(drop4, mx4).Length(0).Tcp(1024, 25).Flags(0x18).Payload(2000).bytes();
    EXPECT_EQ(programs.run(Kind::tc, frame, {.size = 1000, .segments = 2}).fate, Fate::dropped);
    EXPECT_EQ(programs.counts(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP, frame.size()));
    const auto other = Eth().IPv4(drop4, mx4).Length(0).Tcp(1024, 26).Flags(0x18).Payload(2000).bytes();
    EXPECT_EQ(programs.run(Kind::tc, other, {.size = 1000, .segments = 2}).fate, Fate::passed);
}

TEST_P(Bounds, WithoutATableAllPass) {
    auto& programs = Programs::get();
    programs.remove_table();
    // Also of those that the program would judge at sight, and whatever its role.
    std::vector<Role> roles{Role::subscriber, Role::validated, Role::uplink};
    if (GetParam() == Kind::xdp) {
        roles.insert(roles.end(), {Role::fast, Role::validated_fast, Role::uplink_fast});
    }
    for (const Role role : roles) {
        for (const auto* source : {reset4, drop4, wide4, hashed4, "8.8.8.8"}) {
            const auto frame = Eth().IPv4(source, mx4).Tcp(1024, 25).Syn().bytes();
            programs.clear_counts();
            EXPECT_EQ(programs.run(GetParam(), frame, {}, role).fate, Fate::passed);
            EXPECT_EQ(programs.counts(), once(SEKISHO_REASON_NO_TABLE, SEKISHO_PASS, frame.size()))
                << source << ", role " << static_cast<int>(role);
        }
        const auto frame = Eth().IPv6(reset6, mx6).Tcp(1024, 25).Syn().bytes();
        programs.clear_counts();
        EXPECT_EQ(programs.run(GetParam(), frame, {}, role).fate, Fate::passed);
        EXPECT_EQ(programs.counts(), once(SEKISHO_REASON_NO_TABLE, SEKISHO_PASS, frame.size()));
    }
}

// Places in the bitmap that there aren't: the entries are asked, so who has a grant keeps it.
TEST_P(Bounds, ATableThatContradictsItself) {
    auto& programs = Programs::get();
    for (auto& segment : programs.table().segments) {
        segment.bit_base = 0xfffffff0;
    }
    for (auto& first : programs.table().source4.first) {
        first = SEKISHO_SEARCH;
    }
    const auto frame = Eth().IPv4(drop4, mx4).Tcp(1024, 25).Syn().bytes();
    EXPECT_EQ(programs.run(GetParam(), frame).fate, Fate::dropped);
    programs.put_entry(key_of(drop4, 32), SEKISHO_ENTRY_GRANT, boottime() + 60'000'000'000);
    EXPECT_EQ(programs.run(GetParam(), frame).fate, Fate::passed);
}

TEST_P(Bounds, EightPortsAreEnforced) {
    auto& programs = Programs::get();
    for (std::uint16_t i = 0; i < SEKISHO_PORTS; i++) {
        const auto port = static_cast<std::uint16_t>(1000 + i);
        programs.table().ports[i] = static_cast<std::uint16_t>(port << 8 | port >> 8);
    }
    for (std::uint16_t port = 999; port <= 1000 + SEKISHO_PORTS; port++) {
        const bool enforced = port >= 1000 && port < 1000 + SEKISHO_PORTS;
        EXPECT_EQ(programs.run(GetParam(), Eth().IPv4(drop4, mx4).Tcp(25, port).Syn().bytes()).fate,
                  enforced ? Fate::dropped : Fate::passed)
            << port;
    }
}

// A reserved verdict in the table is a drop for now.
TEST_P(Bounds, ReservedActionsDrop) {
    auto& programs = Programs::get();
    const auto frame = Eth().IPv4(reset4, mx4).Tcp(1024, 25).Syn().bytes();
    for (auto& segment : programs.table().segments) {
        segment.action = SEKISHO_EXPLAIN;
    }
    EXPECT_EQ(programs.run(GetParam(), frame).fate, Fate::dropped);
    EXPECT_EQ(programs.counts(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_EXPLAIN, frame.size()));
}

Bytes syn_from6(std::uint64_t high, std::uint64_t low) {
    constexpr std::size_t source = 14 + 8;
    auto frame = Eth().IPv6("::", mx6).Tcp(1, 25).Syn().bytes();
    for (std::size_t octet = 0; octet < 8; octet++) {
        frame[source + octet] = static_cast<std::uint8_t>(high >> (56 - 8 * octet));
        frame[source + 8 + octet] = static_cast<std::uint8_t>(low >> (56 - 8 * octet));
    }
    return frame;
}

sekisho_segment drop_pool(std::uint8_t key_bits) {
    sekisho_segment segment{};
    segment.flags = SEKISHO_SEGMENT_POOL | SEKISHO_SEGMENT_HASHED;
    segment.action = SEKISHO_DROP;
    segment.key_bits = key_bits;
    return segment;
}

std::string text4(std::uint32_t address) {
    return std::to_string(address >> 24) + "." + std::to_string(address >> 16 & 255) + "." +
           std::to_string(address >> 8 & 255) + "." + std::to_string(address & 255);
}

// So many ranges are used in turn: all, and those around which the search takes fewer steps.
constexpr std::array<std::uint32_t, 7> uses{SEKISHO_RANGES, SEKISHO_RANGES - 1, 66, 65, 64, 63, 2};

// Pools of 4 addresses (of an even number of them) with gaps of 2 to 5 between them, asked at each edge.
TEST_P(Bounds, AFullTableIsSearchedRight4) {
    auto& programs = Programs::get();
    auto& table = programs.table();
    table.segments[1] = drop_pool(32);
    std::ranges::fill(table.source4.first, SEKISHO_SEARCH);
    for (const auto used : uses) {
        std::uint32_t start = 0;
        for (std::uint32_t i = 0; i < SEKISHO_RANGES; i++) {
            table.source4.start[i] = i < used ? start : 0xffffffff;
            table.source4.segment[i] = static_cast<std::uint16_t>(std::min(i, used - 1) % 2);
            start += i == 0 ? 0xcb007100 : i % 2 == 1 ? 4 : 2 + i % 4;
        }
        for (std::uint32_t i = 1; i < used; i++) {
            for (const std::uint32_t back : {1U, 0U}) {
                const bool in_pool = (i % 2 == 1) == (back == 0);
                const auto from = text4(table.source4.start[i] - back);
                const auto frame = Eth().IPv4(from, mx4).Tcp(1, 25).Syn().bytes();
                ASSERT_EQ(programs.run(GetParam(), frame).fate, in_pool ? Fate::dropped : Fate::passed)
                    << from << ", range " << i << " of " << used;
            }
        }
        const auto highest = Eth().IPv4("255.255.255.255", mx4).Tcp(1, 25).Syn().bytes();
        ASSERT_EQ(programs.run(GetParam(), highest).fate, used % 2 == 0 ? Fate::dropped : Fate::passed)
            << used;
    }
}

// The same for IPv6, with steps of either half.
TEST_P(Bounds, AFullTableIsSearchedRight6) {
    auto& programs = Programs::get();
    auto& table = programs.table();
    table.segments[1] = drop_pool(64);
    for (const auto used : uses) {
        std::uint64_t high = 0;
        std::uint64_t low = 0;
        for (std::uint32_t i = 0; i < SEKISHO_RANGES; i++) {
            table.source6.high[i] = i < used ? high : ~std::uint64_t{0};
            table.source6.low[i] = i < used ? low : ~std::uint64_t{0};
            table.source6.segment[i] = static_cast<std::uint16_t>(std::min(i, used - 1) % 2);
            if (i % 3 == 0) {
                high += i == 0 ? 0x20010db800000000 : 1;
                low = i % 2 == 0 ? 0xffffffffffffff00 : 0x8000000000000000;
            } else {
                low += low > 0xffffffffffffff00 ? 1 : 2;
            }
        }
        for (std::uint32_t i = 1; i < used; i++) {
            for (const std::uint64_t back : {1U, 0U}) {
                const bool in_pool = (i % 2 == 1) == (back == 0);
                const auto frame = syn_from6(table.source6.high[i], table.source6.low[i] - back);
                ASSERT_EQ(programs.run(GetParam(), frame).fate, in_pool ? Fate::dropped : Fate::passed)
                    << "range " << i << " of " << used;
            }
        }
    }
}

// No packet makes the programs read what isn't there (the verifier saw to that) or fall into no row.
TEST_P(Bounds, NoiseFallsIntoSomeRow) {
    auto& programs = Programs::get();
    std::mt19937 random(20250);
    const auto four = Eth().Vlan(7).IPv4(reset4, mx4).Options(2).Tcp(1024, 25).Syn().TcpOptions(2).bytes();
    const auto six =
        Eth().IPv6(reset6, mx6).HopByHop().Fragment(0, false).Authentication().Tcp(9, 25).Syn().bytes();
    std::uint64_t runs = 0;
    for (int i = 0; i < 4000; i++) {
        auto frame = i % 2 == 0 ? four : six;
        for (int changes = 1 + i % 3; changes > 0; changes--) {
            frame[12 + random() % (frame.size() - 12)] = static_cast<std::uint8_t>(random());
        }
        if (Programs::can_run(GetParam(), frame)) {
            EXPECT_NE(programs.run(GetParam(), frame).fate, Fate::other);
            runs++;
        }
    }
    std::uint64_t counted = 0;
    for (const auto& [place, count] : programs.counts()) {
        counted += count.first;
    }
    EXPECT_EQ(counted, runs);
}

}  // namespace
}  // namespace sekisho::bpftest
