// SPDX-License-Identifier: Apache-2.0
// The rows that judge a packet by its shape: frames, tags, IP headers, fragments, extension headers, TCP
// headers. Names begin with the row's; those with "Near" are the nearest miss, which must fall into another
// row.
#include <netinet/in.h>

#include <array>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr auto blocked = SEKISHO_REASON_NOT_GRANTED;

Packet syn4() {
    return Eth().IPv4(reset4, mx4).Tcp(1024, 25).Syn();
}

Packet syn6() {
    return Eth().IPv6(reset6, mx6).Tcp(1024, 25).Syn();
}

Packet ip6() {
    return Eth().IPv6(reset6, mx6);
}

std::vector<Case> frames() {
    return {
        {"NotIpArp", Eth().Next(0x0806).Payload(28), SEKISHO_REASON_NOT_IP, SEKISHO_PASS},
        {"NotIpLength", Eth().Next(0x0026).Payload(38), SEKISHO_REASON_NOT_IP, SEKISHO_PASS},
        {"NotIpBehindTag", Eth().Vlan(7).Next(0x0806).Payload(28), SEKISHO_REASON_NOT_IP, SEKISHO_PASS},
        {"NotIpNear4", syn4(), blocked, SEKISHO_RESET},
        {"NotIpNear6", syn6(), blocked, SEKISHO_RESET},
        {"FrameTruncatedTag1", Eth().Vlan(7).Truncate(15), SEKISHO_REASON_FRAME_TRUNCATED, SEKISHO_DROP},
        {"FrameTruncatedTag3", Eth().Vlan(7).Truncate(17), SEKISHO_REASON_FRAME_TRUNCATED, SEKISHO_DROP},
        {"FrameTruncatedSecondTag", Eth().Vlan(7).Vlan(8).Truncate(20), SEKISHO_REASON_FRAME_TRUNCATED,
         SEKISHO_DROP},
        {"FrameTruncatedNear", Eth().Vlan(7).Truncate(18), SEKISHO_REASON_NOT_IP, SEKISHO_PASS},
    };
}

// The same segment inside; MPLS gets no answer.
std::vector<Case> labels() {
    std::vector<Case> cases{
        {"MplsTruncated", Eth().Mpls(99).Truncate(17), SEKISHO_REASON_FRAME_TRUNCATED, SEKISHO_DROP},
        {"MplsTruncatedSecond", Eth().Mpls(99).Mpls(98).Truncate(20), SEKISHO_REASON_FRAME_TRUNCATED,
         SEKISHO_DROP},
        {"MplsNotIpEmpty", Eth().Mpls(99), SEKISHO_REASON_MPLS_NOT_IP, SEKISHO_PASS},
        {"MplsNotIpControlWord", Eth().Mpls(99).Payload(60), SEKISHO_REASON_MPLS_NOT_IP, SEKISHO_PASS},
        {"MplsNotIpVersion5", Eth().Mpls(99).IPv4(reset4, mx4).Version(5).Tcp(1024, 25).Syn(),
         SEKISHO_REASON_MPLS_NOT_IP, SEKISHO_PASS},
        {"MplsNearMalformed4", Eth().Mpls(99).IPv4(reset4, mx4).Length(41).Tcp(1024, 25).Syn(),
         SEKISHO_REASON_IPV4_MALFORMED, SEKISHO_DROP},
    };
    for (const bool multicast : {false, true}) {
        for (std::size_t depth = 1; depth <= SEKISHO_LABELS + 1U; depth++) {
            for (const std::size_t tags : {0U, 4U}) {
                auto four = Eth();
                auto six = Eth();
                for (std::size_t i = 0; i < tags; i++) {
                    four.Vlan(7);
                    six.Vlan(7);
                }
                for (std::size_t i = 0; i < depth; i++) {
                    four.Mpls(16 + static_cast<std::uint32_t>(i), multicast);
                    six.Mpls(16 + static_cast<std::uint32_t>(i), multicast);
                }
                const bool deep = depth > SEKISHO_LABELS;
                const auto name = std::string(deep ? "MplsTooDeep" : "MplsTooDeepNear") +
                                  (multicast ? "Multicast" : "") + std::to_string(depth) + "Behind" +
                                  std::to_string(tags) + "Tags";
                const auto reason = deep ? SEKISHO_REASON_MPLS_TOO_DEEP : blocked;
                const auto verdict = deep ? SEKISHO_PASS : SEKISHO_DROP;
                cases.push_back({name + "In4", four.IPv4(reset4, mx4).Tcp(1024, 25).Syn(), reason, verdict});
                cases.push_back({name + "In6", six.IPv6(reset6, mx6).Tcp(1024, 25).Syn(), reason, verdict});
            }
        }
    }
    return cases;
}

std::vector<Case> sessions() {
    constexpr auto bad = SEKISHO_REASON_PPPOE_MALFORMED;
    constexpr auto other = SEKISHO_REASON_PPP_NOT_IP;
    const auto ppp4 = [](Packet packet) { return packet.IPv4(reset4, mx4).Tcp(1024, 25).Syn(); };
    const auto ppp6 = [](Packet packet) { return packet.IPv6(reset6, mx6).Tcp(1024, 25).Syn(); };
    std::vector<Case> cases{
        {"PppNotIpNear4", ppp4(Eth().Pppoe(0x0021)), blocked, SEKISHO_RESET},
        {"PppNotIpNear6", ppp6(Eth().Pppoe(0x0057)), blocked, SEKISHO_RESET},
        {"PppNotIpNearCompressed4", ppp4(Eth().PppoeCompressed(0x21)), blocked, SEKISHO_RESET},
        {"PppNotIpNearCompressed6", ppp6(Eth().PppoeCompressed(0x57)), blocked, SEKISHO_RESET},
        {"PppNotIpNearTags4", ppp4(Eth().Vlan(1).Vlan(2).Vlan(3).Vlan(4).Pppoe(0x0021)), blocked,
         SEKISHO_RESET},
        {"PppNotIpNearTags6", ppp6(Eth().Vlan(1).Vlan(2).Vlan(3).Vlan(4).PppoeCompressed(0x57)), blocked,
         SEKISHO_RESET},
        {"PppNotIpNearPadded", ppp4(Eth().Pppoe(0x0021)).Padding(20), blocked, SEKISHO_RESET},
        {"PppNotIpNearJumbogram", Eth().Pppoe(0x0057).IPv6(reset6, mx6).Length(0).Tcp(1024, 25).Syn(),
         blocked, SEKISHO_RESET},
        {"NotIpDiscovery", ppp4(Eth().Next(0x8863).Pppoe(0x0021)), SEKISHO_REASON_NOT_IP, SEKISHO_PASS},
        {"PppoeMalformedLengthBeyond", ppp4(Eth().Pppoe(0x0021).Length(43)), bad, SEKISHO_DROP},
        {"PppoeMalformedLengthFarBeyond", ppp6(Eth().Pppoe(0x0057).Length(65535)), bad, SEKISHO_DROP},
        {"PppoeMalformedLength1", ppp4(Eth().Pppoe(0x0021).Length(1)), bad, SEKISHO_DROP},
        {"PppoeMalformedLength0", ppp4(Eth().Pppoe(0x0021).Length(0)), bad, SEKISHO_DROP},
        {"PppoeMalformedNearIpBeyond4", ppp4(Eth().Pppoe(0x0021).Length(41)), SEKISHO_REASON_IPV4_MALFORMED,
         SEKISHO_DROP},
        {"PppoeMalformedNearIpBeyond6", ppp6(Eth().Pppoe(0x0057).Length(61)), SEKISHO_REASON_IPV6_MALFORMED,
         SEKISHO_DROP},
        // A payload length of 0 means as much as there is, which must hold the header at least.
        {"PppoeMalformedNearJumbogramOfNothing",
         Eth().Pppoe(0x0057).Length(6).IPv6(reset6, mx6).Length(0).Udp(1, 2), SEKISHO_REASON_IPV6_MALFORMED,
         SEKISHO_DROP},
        {"PppoeMalformedNearIpIntoPadding", ppp4(Eth().Pppoe(0x0021).Length(41)).Padding(30),
         SEKISHO_REASON_IPV4_MALFORMED, SEKISHO_DROP},
        {"PppoeMalformedNearPppAlone", Eth().Pppoe(0xc021).Length(2), other, SEKISHO_PASS},
        // An odd octet ends PPP's number: IP would begin with the next one.
        {"PppNotIpNearOddOctet", ppp4(Eth().Pppoe(0x2100)), SEKISHO_REASON_IPV4_MALFORMED, SEKISHO_DROP},
        {"PppoeMalformedNearVersion2", Eth().Pppoe(0x0021).Version(2).IPv4(reset4, mx4).Tcp(1024, 25).Syn(),
         blocked, SEKISHO_RESET},
    };
    for (std::size_t size = 14; size < 22; size++) {
        cases.push_back({"PppoeMalformedCut" + std::to_string(size),
                         Eth().Pppoe(0x0021).Length(2).Truncate(size), bad, SEKISHO_DROP});
    }
    for (const auto protocol :
         std::array<std::uint16_t, 7>{0xc021, 0x8021, 0x8057, 0x002d, 0x003d, 0x0121, 0x2200}) {
        cases.push_back(
            {"PppNotIp" + std::to_string(protocol), ppp4(Eth().Pppoe(protocol)), other, SEKISHO_PASS});
    }
    return cases;
}

std::vector<Case> tags() {
    std::vector<Case> cases;
    for (const auto ethertype : std::array<std::uint16_t, 3>{0x8100, 0x88a8, 0x9100}) {
        for (std::uint16_t depth = 1; depth <= SEKISHO_TAGS + 1; depth++) {
            auto four = Eth();
            auto six = Eth();
            for (std::uint16_t i = 0; i < depth; i++) {
                four.Vlan(static_cast<std::uint16_t>(i + 7), ethertype);
                six.Vlan(static_cast<std::uint16_t>(i + 7), ethertype);
            }
            const bool deep = depth > SEKISHO_TAGS;
            const auto name = (deep ? "TagsTooDeep" : "TagsTooDeepNear") + std::to_string(depth) + "Of" +
                              std::to_string(ethertype) + "In";
            const auto reason = deep ? SEKISHO_REASON_TAGS_TOO_DEEP : blocked;
            const auto verdict = deep ? SEKISHO_DROP : SEKISHO_RESET;
            cases.push_back({name + "4", four.IPv4(reset4, mx4).Tcp(1024, 25).Syn(), reason, verdict});
            cases.push_back({name + "6", six.IPv6(reset6, mx6).Tcp(1024, 25).Syn(), reason, verdict});
        }
    }
    return cases;
}

std::vector<Case> ip_headers() {
    constexpr auto bad4 = SEKISHO_REASON_IPV4_MALFORMED;
    constexpr auto bad6 = SEKISHO_REASON_IPV6_MALFORMED;
    std::vector<Case> cases{
        {"Ipv4MalformedVersion", Eth().IPv4(reset4, mx4).Version(5).Tcp(1024, 25).Syn(), bad4, SEKISHO_DROP},
        {"Ipv4MalformedTotalUnderHeader", Eth().IPv4(reset4, mx4).Length(19).Tcp(1024, 25).Syn(), bad4,
         SEKISHO_DROP},
        {"Ipv4MalformedTotalZero", Eth().IPv4(reset4, mx4).Length(0).Tcp(1024, 25).Syn(), bad4, SEKISHO_DROP},
        {"Ipv4MalformedTotalBeyond", Eth().IPv4(reset4, mx4).Length(41).Tcp(1024, 25).Syn(), bad4,
         SEKISHO_DROP},
        {"Ipv4MalformedHeaderBeyond", syn4().Ihl(15), bad4, SEKISHO_DROP},
        {"Ipv4MalformedShort", syn4().Truncate(33), bad4, SEKISHO_DROP},
        {"Ipv4MalformedNearPadded", syn4().Padding(6), blocked, SEKISHO_RESET},
        {"Ipv4MalformedNotTcpEither", Eth().IPv4(reset4, mx4).Length(60).Udp(53, 53), bad4, SEKISHO_DROP},
        {"Ipv6MalformedVersion", Eth().IPv6(reset6, mx6).Version(4).Tcp(1024, 25).Syn(), bad6, SEKISHO_DROP},
        {"Ipv6MalformedPayloadBeyond", Eth().IPv6(reset6, mx6).Length(21).Tcp(1024, 25).Syn(), bad6,
         SEKISHO_DROP},
        {"Ipv6MalformedPayloadFarBeyond", Eth().IPv6(reset6, mx6).Length(65535).Tcp(1024, 25).Syn(), bad6,
         SEKISHO_DROP},
        {"Ipv6MalformedShort", syn6().Truncate(53), bad6, SEKISHO_DROP},
        {"Ipv6MalformedNearZero", Eth().IPv6(reset6, mx6).Length(0).Tcp(1024, 25).Syn(), blocked,
         SEKISHO_RESET},
        {"Ipv6MalformedNearPadded", syn6().Padding(6), blocked, SEKISHO_RESET},
        {"Tunnel4In4", Eth().IPv4(reset4, mx4).IPv4(reset4, mx4).Tcp(1024, 25).Syn(), SEKISHO_REASON_TUNNEL,
         SEKISHO_PASS},
        {"Tunnel6In4", Eth().IPv4(reset4, mx4).IPv6(reset6, mx6).Tcp(1024, 25).Syn(), SEKISHO_REASON_TUNNEL,
         SEKISHO_PASS},
        {"Tunnel4In6", ip6().IPv4(reset4, mx4).Tcp(1024, 25).Syn(), SEKISHO_REASON_TUNNEL, SEKISHO_PASS},
        {"Tunnel6In6", ip6().DestinationOptions().IPv6(reset6, mx6).Tcp(1024, 25).Syn(),
         SEKISHO_REASON_TUNNEL, SEKISHO_PASS},
    };
    for (std::uint8_t words = 0; words < 5; words++) {
        cases.push_back({"Ipv4MalformedIhl" + std::to_string(words), syn4().Ihl(words), bad4, SEKISHO_DROP});
    }
    for (std::size_t words = 0; words <= 10; words++) {
        cases.push_back({"Ipv4MalformedNearIhl" + std::to_string(words + 5),
                         Eth().IPv4(reset4, mx4).Options(words).Tcp(1024, 25).Syn(), blocked, SEKISHO_RESET});
    }
    return cases;
}

std::vector<Case> fragments() {
    constexpr auto later = SEKISHO_REASON_LATER_FRAGMENT;
    constexpr auto at_one = SEKISHO_REASON_FRAGMENT_AT_ONE;
    constexpr auto tiny = SEKISHO_REASON_TINY_FRAGMENT;
    const auto fragment4 = [](std::uint16_t offset, bool more) {
        return Eth().IPv4(reset4, mx4).FragmentAt(offset, more);
    };
    const auto fragment6 = [](std::uint16_t offset, bool more) { return ip6().Fragment(offset, more); };
    return {
        {"LaterFragmentTcp4", fragment4(2, false).Tcp(1024, 25).Syn(), later, SEKISHO_PASS},
        {"LaterFragmentFar4", fragment4(0x1fff, false).Tcp(1024, 25).Syn(), later, SEKISHO_PASS},
        {"LaterFragmentUdpAtOne4", fragment4(1, true).Udp(1024, 25), later, SEKISHO_PASS},
        {"LaterFragmentTcp6", fragment6(2, true).Tcp(1024, 25).Syn(), later, SEKISHO_PASS},
        {"LaterFragmentUdpAtOne6", fragment6(1, true).Udp(1024, 25), later, SEKISHO_PASS},
        {"LaterFragmentBehindOptions6", ip6().HopByHop().Fragment(2, false).Tcp(1024, 25), later,
         SEKISHO_PASS},
        {"LaterFragmentLooksLikeHeaders6",
         fragment6(3, true).DestinationOptions(200).Truncate(90),  // RFC 8200, 4.5
         SEKISHO_REASON_IPV6_MALFORMED, SEKISHO_DROP},
        {"LaterFragmentNearFirst4", fragment4(0, true).Tcp(1024, 25).Syn(), blocked, SEKISHO_RESET},
        {"LaterFragmentNearFirst6", fragment6(0, true).Tcp(1024, 25).Syn(), blocked, SEKISHO_RESET},
        {"LaterFragmentNearAtomic6", fragment6(0, false).Tcp(1024, 25).Syn(), blocked, SEKISHO_RESET},
        {"FragmentAtOne4", fragment4(1, false).Tcp(1024, 25).Syn(), at_one, SEKISHO_DROP},
        {"FragmentAtOneMore4", fragment4(1, true).Next(IPPROTO_TCP).Payload(12), at_one, SEKISHO_DROP},
        {"FragmentAtOne6", fragment6(1, false).Tcp(1024, 25).Syn(), at_one, SEKISHO_DROP},
        {"FragmentAtOneBehindOptions6", ip6().DestinationOptions().Fragment(1, true).Tcp(1024, 25), at_one,
         SEKISHO_DROP},
        {"TinyFragment8Octets4", fragment4(0, true).Next(IPPROTO_TCP).Payload(8), tiny, SEKISHO_DROP},
        {"TinyFragment19Octets4", fragment4(0, true).Next(IPPROTO_TCP).Payload(19), tiny, SEKISHO_DROP},
        {"TinyFragmentOptionsBeyond4", fragment4(0, true).Tcp(1024, 25).Syn().DataOffset(6), tiny,
         SEKISHO_DROP},
        {"TinyFragment16Octets6", fragment6(0, true).Next(IPPROTO_TCP).Payload(16), tiny, SEKISHO_DROP},
        {"TinyFragmentEmpty6", fragment6(0, true).Next(IPPROTO_TCP), tiny, SEKISHO_DROP},
        {"TinyFragmentChainBeyond6", fragment6(0, true).Next(60).Payload(4), tiny, SEKISHO_DROP},
        {"TinyFragmentOptionsBeyond6", fragment6(0, true).Tcp(1024, 25).Syn().DataOffset(6), tiny,
         SEKISHO_DROP},
        {"TinyFragmentNearOptions4", fragment4(0, true).Tcp(1024, 25).Syn().TcpOptions(1), blocked,
         SEKISHO_RESET},
        {"TinyFragmentNearOptions6", fragment6(0, true).Tcp(1024, 25).Syn().TcpOptions(1), blocked,
         SEKISHO_RESET},
    };
}

std::vector<Case> chains() {
    constexpr auto chain = SEKISHO_REASON_HEADER_CHAIN;
    const auto syn = [](Packet packet) { return packet.Tcp(1024, 25).Syn(); };
    std::vector<Case> cases{
        {"HeaderChainNearHopByHop", syn(ip6().HopByHop(3)), blocked, SEKISHO_RESET},
        {"HeaderChainNearRouting", syn(ip6().Routing(2)), blocked, SEKISHO_RESET},
        {"HeaderChainNearDestination", syn(ip6().DestinationOptions(1)), blocked, SEKISHO_RESET},
        {"HeaderChainNearFragment", syn(ip6().Fragment(0, false)), blocked, SEKISHO_RESET},
        {"HeaderChainNearAuthentication2", syn(ip6().Authentication(2)), blocked, SEKISHO_RESET},
        {"HeaderChainNearAuthentication4", syn(ip6().Authentication(4)), blocked, SEKISHO_RESET},
        {"HeaderChainNearAuthentication7", syn(ip6().Authentication(7)), blocked, SEKISHO_RESET},
        {"HeaderChainNearMobility", syn(ip6().Mobility(1)), blocked, SEKISHO_RESET},
        {"HeaderChainNearHip", syn(ip6().Hip(4)), blocked, SEKISHO_RESET},
        {"HeaderChainNearShim6", syn(ip6().Shim6(0)), blocked, SEKISHO_RESET},
        {"HeaderChainNearAllEight",
         syn(ip6()
                 .HopByHop()
                 .DestinationOptions()
                 .Routing()
                 .Fragment(0, false)
                 .Authentication()
                 .Mobility()
                 .Hip()
                 .Shim6()),
         blocked, SEKISHO_RESET},
        {"HeaderChainNearLongest", syn(ip6().HopByHop(255).DestinationOptions(250)), blocked, SEKISHO_RESET},
        {"HeaderChainLeaves", ip6().HopByHop().Next(60).Payload(7), chain, SEKISHO_DROP},
        {"HeaderChainLeavesAtOnce", ip6().Next(0), SEKISHO_REASON_HEADER_CHAIN, SEKISHO_DROP},
        {"HeaderChainLengthBeyond", ip6().Next(60).Payload(8).Padding(8), chain, SEKISHO_DROP},
        {"HeaderChainOneUnitBeyond", Eth().IPv6(reset6, mx6).Length(8).DestinationOptions(1).Next(6), chain,
         SEKISHO_DROP},
        {"HeaderChainIntoPadding", ip6().Next(44).Payload(7).Padding(40), chain, SEKISHO_DROP},
    };
    for (std::size_t depth = 1; depth <= SEKISHO_EXTENSION_HEADERS + 1U; depth++) {
        auto packet = ip6();
        for (std::size_t i = 0; i < depth; i++) {
            packet.DestinationOptions(static_cast<std::uint8_t>(i % 3));
        }
        const bool deep = depth > SEKISHO_EXTENSION_HEADERS;
        cases.push_back({(deep ? "HeaderChainDepth" : "HeaderChainNearDepth") + std::to_string(depth),
                         syn(packet), deep ? chain : blocked, deep ? SEKISHO_DROP : SEKISHO_RESET});
    }
    return cases;
}

std::vector<Case> tcp_headers() {
    constexpr auto bad = SEKISHO_REASON_TCP_MALFORMED;
    std::vector<Case> cases{
        {"TcpMalformedEmpty4", Eth().IPv4(reset4, mx4).Next(6), bad, SEKISHO_DROP},
        {"TcpMalformed19Octets4", Eth().IPv4(reset4, mx4).Next(6).Payload(19), bad, SEKISHO_DROP},
        {"TcpMalformed19OctetsPadded4", Eth().IPv4(reset4, mx4).Length(39).Tcp(1024, 25).Syn(), bad,
         SEKISHO_DROP},
        {"TcpMalformed19Octets6", ip6().Next(6).Payload(19), bad, SEKISHO_DROP},
        {"TcpMalformed19OctetsBehindOptions6", ip6().HopByHop().Next(6).Payload(19), bad, SEKISHO_DROP},
        {"TcpMalformedOffsetBeyond4", syn4().DataOffset(6), bad, SEKISHO_DROP},
        {"TcpMalformedOffsetIntoPadding4", syn4().DataOffset(6).Padding(8), bad, SEKISHO_DROP},
        {"TcpMalformedOffsetBeyond6", syn6().TcpOptions(9).DataOffset(15), bad, SEKISHO_DROP},
        {"TcpMalformedOtherPortToo", Eth().IPv4(reset4, mx4).Tcp(1024, 443).DataOffset(4), bad, SEKISHO_DROP},
        {"NotTcpUdp4", Eth().IPv4(reset4, mx4).Udp(1024, 25).Payload(20), SEKISHO_REASON_NOT_TCP,
         SEKISHO_PASS},
        {"NotTcpIcmp4", Eth().IPv4(reset4, mx4).Next(1).Payload(20), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"NotTcpSctp4", Eth().IPv4(reset4, mx4).Next(132).Payload(20), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"NotTcpAuthentication4", Eth().IPv4(reset4, mx4).Next(51).Payload(40), SEKISHO_REASON_NOT_TCP,
         SEKISHO_PASS},
        {"NotTcpUdp6", ip6().Udp(1024, 25).Payload(20), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"NotTcpEsp6", ip6().Next(50).Payload(40), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"NotTcpNoNextHeader6", ip6().HopByHop().Next(59), SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
        {"NotTcpUdpBehindEight6",
         ip6()
             .HopByHop()
             .DestinationOptions()
             .Routing()
             .Authentication()
             .Mobility()
             .Hip()
             .Shim6()
             .DestinationOptions()
             .Udp(1024, 25),
         SEKISHO_REASON_NOT_TCP, SEKISHO_PASS},
    };
    for (std::uint8_t words = 0; words < 5; words++) {
        cases.push_back(
            {"TcpMalformedOffset" + std::to_string(words), syn4().DataOffset(words), bad, SEKISHO_DROP});
    }
    for (std::size_t words = 0; words <= 10; words++) {
        cases.push_back({"TcpMalformedNearOffset" + std::to_string(words + 5) + "In4",
                         syn4().TcpOptions(words), blocked, SEKISHO_RESET});
        cases.push_back({"TcpMalformedNearOffset" + std::to_string(words + 5) + "In6",
                         syn6().TcpOptions(words), blocked, SEKISHO_RESET});
    }
    return cases;
}

class Shape : public Judged {};

TEST_P(Shape, Verdict) {
    judge(std::get<Kind>(GetParam()), std::get<Case>(GetParam()));
}

// The shapes don't ask the table much: one way of filling it is enough.
auto each(std::vector<Case> (*cases)()) {
    return testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Values(by_hand()),
                            testing::ValuesIn(cases()));
}

INSTANTIATE_TEST_SUITE_P(Frames, Shape, each(frames), name_of);
INSTANTIATE_TEST_SUITE_P(Tags, Shape, each(tags), name_of);
INSTANTIATE_TEST_SUITE_P(Labels, Shape, each(labels), name_of);
INSTANTIATE_TEST_SUITE_P(Sessions, Shape, each(sessions), name_of);
INSTANTIATE_TEST_SUITE_P(IpHeaders, Shape, each(ip_headers), name_of);
INSTANTIATE_TEST_SUITE_P(Fragments, Shape, each(fragments), name_of);
INSTANTIATE_TEST_SUITE_P(Chains, Shape, each(chains), name_of);
INSTANTIATE_TEST_SUITE_P(TcpHeaders, Shape, each(tcp_headers), name_of);

}  // namespace
}  // namespace sekisho::bpftest
