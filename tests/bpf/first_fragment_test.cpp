// SPDX-License-Identifier: Apache-2.0
// First fragments that end too early, at every octet (RFC 1858, RFC 7112): whoever passes one lets the rest
// of its TCP header follow unseen. What lacks isn't there, or stands in the frame's padding, where it doesn't
// count.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/bpf/cases.h"
#include "tests/bpf/shells.h"

namespace sekisho::bpftest {
namespace {

constexpr auto tiny = SEKISHO_REASON_TINY_FRAGMENT;

Bytes behind(const Bytes& frame, std::size_t offset) {
    return {frame.begin() + static_cast<std::ptrdiff_t>(offset), frame.end()};
}

// By kind, and what stands before IP (of either family).
class BoundsOfFragments : public testing::TestWithParam<std::tuple<Kind, Shell>> {
protected:
    void SetUp() override { fresh_table(); }

    [[nodiscard]] static Packet shell(bool six) {
        auto around = std::get<Shell>(GetParam());
        around.six = six;
        return shell_of(around, Eth());
    }

    static void expect(const Bytes& frame, sekisho_reason reason) {
        const auto verdict = reason == SEKISHO_REASON_NOT_GRANTED ? SEKISHO_RESET : SEKISHO_DROP;
        auto& programs = Programs::get();
        programs.clear_counts();
        EXPECT_EQ(programs.run(std::get<Kind>(GetParam()), frame).fate, fate_of(verdict));
        EXPECT_EQ(programs.counts(), once(reason, verdict, frame.size()));
    }

    // The IP packet carries the first `size` octets of `all`; then the same with the others as padding.
    static void expect_cut(const Packet& ip, const Bytes& all, std::size_t size, sekisho_reason reason) {
        SCOPED_TRACE(std::to_string(size) + " octets of " + std::to_string(all.size()));
        const auto end = all.begin() + static_cast<std::ptrdiff_t>(size);
        auto frame = Packet(ip).Raw(Bytes(all.begin(), end)).bytes();
        expect(frame, reason);
        frame.insert(frame.end(), end, all.end());
        expect(frame, reason);
    }
};

// All lengths of either header.
TEST_P(BoundsOfFragments, CutAtEveryOctet4) {
    for (std::size_t options = 0; options <= 10; options++) {
        for (const std::size_t tcp_options : {0U, 1U, 10U}) {
            const auto all =
                behind(Eth().IPv4(reset4, mx4).Tcp(1024, 25).Syn().TcpOptions(tcp_options).bytes(), 34);
            const auto ip = shell(false).IPv4(reset4, mx4).Options(options).FragmentAt(0, true).Next(6);
            for (std::size_t size = 0; size <= all.size(); size++) {
                expect_cut(ip, all, size, size < all.size() ? tiny : SEKISHO_REASON_NOT_GRANTED);
            }
            ASSERT_FALSE(HasFailure()) << options << " words of options";
        }
    }
}

// Up to the fragment header, and what follows it.
struct Chain {
    std::string name;
    Packet first;
    Packet whole;
};

std::vector<Chain> chains() {
    const auto ip = Eth().IPv6(reset6, mx6);
    const auto fragment = Packet(ip).Fragment(0, true);
    const auto options = Packet(ip).HopByHop().DestinationOptions(2).Routing(1).Fragment(0, true);
    const auto authenticated = Packet(ip).Authentication(4).Fragment(0, true);
    return {
        {"alone", fragment, fragment},
        {"before AH", fragment, Packet(fragment).Authentication(4)},
        {"before a short AH", fragment, Packet(fragment).Authentication(1)},
        {"before options", fragment, Packet(fragment).DestinationOptions(3)},
        {"before all others", fragment,
         Packet(fragment).DestinationOptions().Routing(2).Authentication(5).Mobility().Hip(1).Shim6()},
        {"before another one", fragment, Packet(fragment).Fragment(0, false)},
        {"behind options", options, options},
        {"behind options, before AH and options", options,
         Packet(options).Authentication(2).DestinationOptions(1)},
        {"behind AH", authenticated, Packet(authenticated).DestinationOptions()},
    };
}

// Before the fragment header has been seen, the chain is one that leaves the packet. (A payload length of 0
// would say "as much as there is".)
TEST_P(BoundsOfFragments, CutAtEveryOctet6) {
    constexpr std::size_t header = 54;
    constexpr std::size_t next = 20;
    for (const auto& [name, first, whole] : chains()) {
        const auto known = first.bytes().size() - header;
        const auto frame = Packet(whole).Tcp(1024, 25).Syn().TcpOptions(2).bytes();
        const auto all = behind(frame, header);
        const auto ip = shell(true).IPv6(reset6, mx6).Next(frame.at(next));
        for (std::size_t size = 1; size <= all.size(); size++) {
            expect_cut(ip, all, size,
                       size < known        ? SEKISHO_REASON_HEADER_CHAIN
                       : size < all.size() ? tiny
                                           : SEKISHO_REASON_NOT_GRANTED);
        }
        ASSERT_FALSE(HasFailure()) << name;
    }
}

std::vector<Shell> arounds() {
    return {{.name = "Plain", .six = false},
            {.name = "Tag", .six = false, .tags = 1},
            {.name = "TwoTags", .six = false, .tags = 2},
            {.name = "Ppp", .six = false, .ppp = 2},
            {.name = "TwoTagsPppCompressed", .six = false, .tags = 2, .ppp = 1}};
}

INSTANTIATE_TEST_SUITE_P(All, BoundsOfFragments,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::ValuesIn(arounds())),
                         [](const auto& each) {
                             return name(std::get<Kind>(each.param)) + "_" + std::get<Shell>(each.param).name;
                         });

}  // namespace
}  // namespace sekisho::bpftest
