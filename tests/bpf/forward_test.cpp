// SPDX-License-Identifier: Apache-2.0
// The fast path: what passes leaves by another interface as a router would send it, and whatever needs more
// of a router than a route goes on to the stack unchanged.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/bpf/cases.h"
#include "tests/bpf/checksum.h"
#include "tests/bpf/namespace.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t ack = 0x10;
const Bytes uplink_mac{0x02, 0x00, 0x5e, 0x00, 0x53, 0x03};    // of the box's other interface
const Bytes next_hop_mac{0x02, 0x00, 0x5e, 0x00, 0x53, 0x04};  // of the router beyond it
constexpr std::size_t ip = 14;                                 // where it begins in a frame
constexpr auto unknown_neighbour4 = "203.0.113.99";

// A box that routes between "in" (subscribers), "out" (mx4 and mx6) and "slow", which takes no frames from
// XDP.
class Router {
public:
    Router() {
        join("in", "02:00:5e:00:53:02");
        join("out", "02:00:5e:00:53:03");
        join("slow", "02:00:5e:00:53:05");
        for (const auto* family : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}) {
            host_.set(family, "1");
        }
        host_.number("in", "192.0.2.1/24");
        host_.number("in", "2001:db8:100:7::1/48");
        host_.number("out", "203.0.113.1/24");
        host_.number("out", "2001:db8:ffff::1/64");
        host_.number("slow", "100.64.0.1/24");
        const std::string subscribers = " lladdr 02:00:5e:00:53:01 dev in nud permanent";
        const std::string beyond = " lladdr 02:00:5e:00:53:04 dev out nud permanent";
        host_.ip(std::string("neigh add ") + reset4 + subscribers);
        host_.ip(std::string("neigh add ") + drop4 + subscribers);
        host_.ip(std::string("neigh add ") + reset6 + subscribers);
        host_.ip(std::string("neigh add ") + mx4 + beyond);
        host_.ip(std::string("neigh add ") + mx6 + beyond);
        host_.ip("neigh add 100.64.0.2 lladdr 02:00:5e:00:53:06 dev slow nud permanent");
        host_.ip(std::string("route add blackhole 100.65.0.0/24"));
        host_.ip(std::string("route add prohibit 100.66.0.0/24"));
        host_.ip(std::string("route add 100.67.0.0/24 via ") + mx4);
    }

    [[nodiscard]] const Namespace& host() const { return host_; }

    // Lets the programs know its interfaces, which Programs::reset() forgets.
    void introduce() const {
        auto& programs = Programs::get();
        std::uint8_t slot = first_slot;
        for (const auto& [name, mac] : {std::pair("in", box_mac), std::pair("out", uplink_mac)}) {
            sekisho_interface interface{};
            std::ranges::copy(mac, interface.mac);
            programs.put_interface(host_.index_of(name), interface);
            programs.state().slots[host_.index_of(name)] = slot++;
            route(name, mac, true);
            allow(name);
        }
    }
    void forget() const {
        for (const auto* name : {"in", "out"}) {
            refuse(name);
            Programs::get().state().slots[host_.index_of(name)] = 0;
        }
    }

    // Says whether frames to this MAC are for the router.
    void route(const std::string& name, const Bytes& mac, bool routes) const {
        const auto slot = slot_of(name);
        sekisho_router router{.mac = {}, .routes = static_cast<std::uint16_t>(routes ? 1 : 0)};
        std::memcpy(router.mac, mac.data(), sizeof(router.mac));
        EXPECT_EQ(bpf_map_update_elem(Programs::get().map("sekisho_routers"), &slot, &router, BPF_ANY), 0);
    }

    // Lets an interface take frames from the fast path.
    void allow(const std::string& name) const { allow(name, name); }
    // In the place of this one, another.
    void allow(const std::string& place, const std::string& name) const {
        const auto slot = slot_of(place);
        const auto index = host_.index_of(name);
        host_.inside([&] {
            EXPECT_EQ(bpf_map_update_elem(Programs::get().map("sekisho_forwarding"), &slot, &index, BPF_ANY),
                      0);
        });
    }
    void refuse(const std::string& name) const {
        const auto slot = slot_of(name);
        EXPECT_EQ(bpf_map_delete_elem(Programs::get().map("sekisho_forwarding"), &slot), 0);
    }

private:
    // With generic receive offload a veth is ready for XDP without a program.
    void join(const std::string& name, const std::string& mac) const {
        host_.ip("link add " + name + " address " + mac + " type veth peer name " + name + "-far");
        host_.inside([&] { EXPECT_EQ(std::system(("ethtool -K " + name + " gro on").c_str()), 0); });
        host_.ip("link set " + name + " up");
        host_.ip("link set " + name + "-far up");
    }

    [[nodiscard]] std::uint32_t slot_of(const std::string& name) const {
        return Programs::get().state().slots[host_.index_of(name)];
    }

    static constexpr std::uint8_t first_slot = 2;  // 1 is the loopback device's

    Namespace host_;
};

struct Ran {
    std::uint32_t action = 0;
    Bytes frame;
};

class Forward : public testing::Test {
protected:
    void SetUp() override {
        fresh_table();
        router_.introduce();
        fresh_counts();
    }
    void TearDown() override { router_.forget(); }

    [[nodiscard]] Ran run(const Bytes& frame, Role role, const std::string& from) const {
        Ran ran{.action = 0, .frame = Bytes(frame.size() + 256)};
        xdp_md context{};
        context.data_end = static_cast<__u32>(frame.size());
        context.ingress_ifindex = router_.host().index_of(from);
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.data_out = ran.frame.data();
        options.data_size_out = static_cast<__u32>(ran.frame.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
        router_.host().inside([&] {
            EXPECT_EQ(bpf_prog_test_run_opts(Programs::get().descriptor(Kind::xdp, role), &options), 0);
        });
        ran.action = options.retval;
        ran.frame.resize(options.data_size_out);
        return ran;
    }

    // What a router makes of it (RFC 1812, 5.3.1; RFC 8200, 3).
    static Bytes routed(Bytes frame, const Bytes& to, const Bytes& from) {
        std::ranges::copy(to, frame.begin());
        std::ranges::copy(from, frame.begin() + 6);
        if (frame[ip] >> 4 == 6) {
            frame[ip + 7]--;
            return frame;
        }
        frame[ip + 8]--;
        renew_checksum(frame);
        return frame;
    }

    static void renew_checksum(Bytes& frame) {
        frame[ip + 10] = frame[ip + 11] = 0;
        const auto length = static_cast<std::size_t>(frame[ip] & 0xf) * 4;
        const auto sum = complement(sum_octets(std::span(frame).subspan(ip, length)));
        frame[ip + 10] = static_cast<std::uint8_t>(sum >> 8);
        frame[ip + 11] = static_cast<std::uint8_t>(sum);
    }

    void expect_forwarded(const Packet& packet, sekisho_reason reason, Role role = Role::fast) const {
        const bool up = role != Role::uplink_fast;
        const auto frame = packet.bytes();
        const auto ran = run(frame, role, up ? "in" : "out");
        EXPECT_EQ(ran.action, XDP_REDIRECT);
        EXPECT_EQ(ran.frame, routed(frame, up ? next_hop_mac : subscriber_mac, up ? uplink_mac : box_mac));
        EXPECT_EQ(counted(), once(reason, SEKISHO_FORWARD, frame.size()));
    }

    void expect_left(const Bytes& frame, sekisho_reason reason,
                     sekisho_verdict verdict = SEKISHO_PASS) const {
        const auto ran = run(frame, Role::fast, "in");
        EXPECT_EQ(ran.action, XDP_PASS);
        EXPECT_EQ(ran.frame, frame);
        EXPECT_EQ(counted(), once(reason, verdict, frame.size()));
    }
    void expect_left(const Packet& packet, sekisho_reason reason,
                     sekisho_verdict verdict = SEKISHO_PASS) const {
        expect_left(packet.bytes(), reason, verdict);
    }

    // What was counted, which is forgotten.
    static Counts counted() {
        const auto counts = Programs::get().counts();
        fresh_counts();
        return counts;
    }
    static void fresh_counts() { Programs::get().clear_counts(); }

    static Packet segment(std::string_view to = mx4) {
        return Eth().IPv4(reset4, to).Tcp(40000, 443).Flags(ack).Payload(100);
    }
    static Packet segment6(std::string_view to = mx6) {
        return Eth().IPv6(reset6, to).Tcp(40000, 443).Flags(ack).Payload(100);
    }

    [[nodiscard]] const Router& router() const { return router_; }

private:
    Router router_;
};

constexpr auto open_port = SEKISHO_REASON_PORT_NOT_ENFORCED;
constexpr auto no_tcp = SEKISHO_REASON_NOT_TCP;

TEST_F(Forward, WhatPassesIsRouted) {
    expect_forwarded(segment(), open_port);
    expect_forwarded(segment6(), open_port);
    expect_forwarded(Eth().IPv4(reset4, mx4).Udp(40000, 443).Payload(1000), no_tcp);
    expect_forwarded(Eth().IPv6(reset6, mx6).Udp(40000, 443).Payload(1000), no_tcp);
    expect_forwarded(Eth().IPv4(reset4, mx4).Next(IPPROTO_ESP).Payload(64), no_tcp);
    expect_forwarded(Eth().IPv6(reset6, mx6).Next(IPPROTO_ESP).Payload(64), no_tcp);
    expect_forwarded(Eth().IPv4(reset4, mx4).FragmentAt(0, true).Udp(1, 2).Payload(64), no_tcp);
    expect_forwarded(Eth().IPv4(reset4, mx4).FragmentAt(100, false).Next(IPPROTO_TCP).Payload(64),
                     SEKISHO_REASON_LATER_FRAGMENT);
    expect_forwarded(Eth().IPv6(reset6, mx6).Fragment(100, false).Next(IPPROTO_TCP).Payload(64),
                     SEKISHO_REASON_LATER_FRAGMENT);
    expect_forwarded(Eth().IPv4(reset4, mx4).IPv6(reset6, mx6).Udp(1, 2), SEKISHO_REASON_TUNNEL);
    expect_forwarded(segment("100.67.0.7"), open_port);  // behind a router
    expect_forwarded(Eth().IPv4(exempt4, mx4).Tcp(40000, 25).Flags(ack).Padding(6), SEKISHO_REASON_EXEMPT);
}

TEST_F(Forward, TheChecksumIsRightWhateverItWas) {
    for (std::uint16_t tos = 0; tos < 256; tos++) {
        expect_forwarded(segment().Tos(static_cast<std::uint8_t>(tos)), open_port);
    }
}

TEST_F(Forward, TheOtherWayToo) {
    const auto back = SEKISHO_REASON_UPLINK;
    const auto from = [] { return Packet{}.Eth(uplink_mac, next_hop_mac); };
    expect_forwarded(from().IPv4(mx4, reset4).Tcp(443, 40000).Flags(ack), back, Role::uplink_fast);
    expect_forwarded(from().IPv6(mx6, reset6).Udp(443, 40000).Payload(9), back, Role::uplink_fast);
    const auto reply = from().IPv4(mx4, drop4).Tcp(25, 40000).Flags(ack).bytes();
    EXPECT_EQ(run(reply, Role::uplink_fast, "out").action, XDP_DROP);
    EXPECT_EQ(counted(), once(SEKISHO_REASON_UPLINK_REPLY, SEKISHO_DROP, reply.size()));
}

TEST_F(Forward, SourcesAreValidatedBefore) {
    expect_forwarded(segment(), open_port, Role::validated_fast);
    const auto forged = Eth().IPv4(stranger4, mx4).Udp(1, 2).bytes();
    EXPECT_EQ(run(forged, Role::validated_fast, "in").action, XDP_DROP);
    EXPECT_EQ(counted(), once(SEKISHO_REASON_SOURCE_INVALID, SEKISHO_DROP, forged.size()));
}

TEST_F(Forward, WhatIsBlockedIsBlocked) {
    const auto dropped = Eth().IPv4(drop4, mx4).Tcp(40000, 25).Syn().bytes();
    EXPECT_EQ(run(dropped, Role::fast, "in").action, XDP_DROP);
    EXPECT_EQ(counted(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP, dropped.size()));
    const auto refused = Eth().IPv4(reset4, mx4).Tcp(40000, 25).Syn().bytes();
    EXPECT_EQ(run(refused, Role::fast, "in").action, XDP_TX);
    EXPECT_EQ(counted(), once(SEKISHO_REASON_NOT_GRANTED, SEKISHO_RESET, refused.size()));
    expect_left(Eth().IPv4(monitor4, mx4).Tcp(40000, 25).Flags(ack), SEKISHO_REASON_NOT_GRANTED,
                SEKISHO_MONITOR);
}

TEST_F(Forward, TheStackSeesEachConnectionsBeginning) {
    expect_left(Eth().IPv4(reset4, mx4).Tcp(40000, 443).Syn(), open_port);
    expect_left(Eth().IPv6(reset6, mx6).Tcp(40000, 443).Flags(0x12), open_port);
    expect_left(Eth().IPv4(reset4, mx4).Next(IPPROTO_ICMP).Payload(8), no_tcp);
    expect_left(Eth().IPv6(reset6, mx6).Next(IPPROTO_ICMPV6).Payload(8), no_tcp);
}

// What a router answers by ICMP, if at all.
TEST_F(Forward, WhatNeedsAnIcmpMessageIsLeft) {
    for (const std::uint8_t hops : {std::uint8_t{0}, std::uint8_t{1}}) {
        auto frame = segment().bytes();
        frame[ip + 8] = hops;
        renew_checksum(frame);
        expect_left(frame, open_port);
        auto frame6 = segment6().bytes();
        frame6[ip + 7] = hops;
        expect_left(frame6, open_port);
    }
    router().host().ip("link set out mtu 1300");
    expect_forwarded(Eth().IPv4(reset4, mx4).Udp(1, 2).Payload(1300 - 28), no_tcp);
    expect_left(Eth().IPv4(reset4, mx4).Udp(1, 2).Payload(1300 - 27), no_tcp);
    expect_left(Eth().IPv4(reset4, mx4).DontFragment().Udp(1, 2).Payload(1300 - 27), no_tcp);
    expect_forwarded(Eth().IPv6(reset6, mx6).Udp(1, 2).Payload(1300 - 48), no_tcp);
    expect_left(Eth().IPv6(reset6, mx6).Udp(1, 2).Payload(1300 - 47), no_tcp);
    expect_left(segment("100.99.0.1"), open_port);  // no route
    expect_left(segment("100.65.0.1"), open_port);  // a black hole
    expect_left(segment("100.66.0.1"), open_port);  // prohibited
    expect_left(segment6("2001:db8:9999::1"), open_port);
}

TEST_F(Forward, WhatNeedsANeighbourIsLeft) {
    expect_left(segment(unknown_neighbour4), open_port);
    expect_left(segment6("2001:db8:ffff::99"), open_port);
}

TEST_F(Forward, WhatIsForTheBoxIsLeft) {
    expect_left(segment("203.0.113.1"), open_port);
    expect_left(segment("192.0.2.1"), open_port);
    expect_left(segment6("2001:db8:ffff::1"), open_port);
}

TEST_F(Forward, WhatIsNotToBeForwardedIsLeft) {
    const auto udp = [](std::string_view from, std::string_view to) {
        return from.contains(':') ? Eth().IPv6(from, to).Udp(1, 2) : Eth().IPv4(from, to).Udp(1, 2);
    };
    for (const auto* to :
         {"224.0.0.5", "239.1.2.3", "255.255.255.255", "203.0.113.255", "127.0.0.1", "0.0.0.1"}) {
        expect_left(udp(reset4, to), no_tcp);
    }
    for (const auto* from : {"127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255"}) {
        expect_left(udp(from, mx4), no_tcp);
    }
    for (const auto* to : {"ff02::1", "ff0e::1", "fe80::7", "::1", "::ffff:203.0.113.10"}) {
        expect_left(udp(reset6, to), no_tcp);
    }
    for (const auto* from : {"fe80::7", "::", "::1", "ff02::1", "::ffff:192.0.2.7"}) {
        expect_left(udp(from, mx6), no_tcp);
    }
    expect_left(Eth().Next(0x0806).Payload(28), SEKISHO_REASON_NOT_IP);
}

TEST_F(Forward, WhatIsWrongOrHasOptionsIsLeft) {
    expect_left(Eth().IPv4(reset4, mx4).Options(1).Udp(1, 2), no_tcp);
    expect_left(Eth().IPv6(reset6, mx6).HopByHop().Udp(1, 2), no_tcp);
    auto frame = segment().bytes();
    frame[ip + 11] ^= 1;  // the header's checksum
    expect_left(frame, open_port);
}

TEST_F(Forward, OnlyPlainEthernetToTheRouterIsTaken) {
    const auto udp = [](Packet packet) { return packet.IPv4(reset4, mx4).Udp(1, 2); };
    expect_left(udp(Eth().Vlan(7)), no_tcp);
    expect_left(udp(Eth().Mpls(16)), no_tcp);
    expect_left(udp(Eth().Pppoe(0x0021)), no_tcp);
    expect_left(udp(Packet{}.Eth(next_hop_mac, subscriber_mac)), no_tcp);
    expect_left(udp(Packet{}.Eth({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, subscriber_mac)), no_tcp);
    router().route("in", box_mac, false);  // a bridge
    expect_left(segment(), open_port);
}

// XDP would lose it there.
TEST_F(Forward, WhereNoFramesAreTakenFromXdpTheStackSends) {
    expect_left(segment("100.64.0.2"), open_port);
    router().refuse("out");
    expect_left(segment(), open_port);
    router().allow("out", "in");  // it had the slot of another one
    expect_left(segment(), open_port);
    router().allow("out");
    expect_forwarded(segment(), open_port);
    router().forget();
    expect_left(segment(), open_port);  // without slots
    router().introduce();
}

TEST_F(Forward, BackWhereItCameFromTheStackSends) {
    expect_left(Eth().IPv4(reset4, drop4).Udp(1, 2), no_tcp);  // a redirect may be due: RFC 1812, 5.2.7.2
}

TEST_F(Forward, TheStacksRulesAreAsked) {
    router().host().ip("route add default dev slow table 100");
    router().host().ip("rule add ipproto tcp dport 8443 table 100");
    router().host().ip("rule add tos 0x10 table 100");
    expect_forwarded(segment(), open_port);
    expect_left(Eth().IPv4(reset4, mx4).Tcp(40000, 8443).Flags(ack), open_port);
    expect_forwarded(Eth().IPv4(reset4, mx4).Udp(40000, 8443), no_tcp);
    expect_left(segment().Tos(0x10), open_port);
}

TEST_F(Forward, NothingWhereForwardingIsOff) {
    router().host().set("net/ipv4/ip_forward", "0");
    expect_left(segment(), open_port);
    router().host().set("net/ipv4/ip_forward", "1");
    expect_forwarded(segment(), open_port);
}

}  // namespace
}  // namespace sekisho::bpftest
