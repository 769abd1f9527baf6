// SPDX-License-Identifier: Apache-2.0
// Who is being blocked, as the kernel notes it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <bit>
#include <map>
#include <string>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

using Source = std::pair<std::uint64_t, std::uint64_t>;

class Hitters : public testing::TestWithParam<Kind> {
protected:
    // One CPU: each has a table of its own.
    void SetUp() override {
        ASSERT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
        ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
        fresh_table();
        write(std::vector<sekisho_hitters>(tables_));
    }
    void TearDown() override { EXPECT_EQ(sched_setaffinity(0, sizeof(before_), &before_), 0); }

    [[nodiscard]] std::vector<sekisho_hitters> read() const {
        std::vector<sekisho_hitters> all(tables_);
        const std::uint32_t zero = 0;
        EXPECT_EQ(bpf_map_lookup_elem(Programs::get().map("sekisho_hitters"), &zero, all.data()), 0);
        return all;
    }
    static void write(const std::vector<sekisho_hitters>& all) {
        const std::uint32_t zero = 0;
        ASSERT_EQ(bpf_map_update_elem(Programs::get().map("sekisho_hitters"), &zero, all.data(), BPF_ANY), 0);
    }
    void let_an_epoch_pass() const {
        const std::uint32_t loopback_slot = 1;
        std::vector<sekisho_counts> all(tables_);
        const int map = Programs::get().map("sekisho_counts");
        ASSERT_EQ(bpf_map_lookup_elem(map, &loopback_slot, all.data()), 0);
        for (sekisho_counts& counts : all) {
            counts.sampling.epoch--;
        }
        ASSERT_EQ(bpf_map_update_elem(map, &loopback_slot, all.data(), BPF_ANY), 0);
    }
    [[nodiscard]] std::map<Source, sekisho_hitter> hitters() const {
        std::map<Source, sekisho_hitter> all;
        for (const sekisho_hitters& table : read()) {
            for (const sekisho_hitter& place : table.places) {
                if (place.packets != 0) {
                    all[{place.source[0], place.source[1]}] = place;
                }
            }
        }
        return all;
    }
    static Source mapped(const char* address) { return {0, number_of(address).low | 0xffff00000000ULL}; }
    void send(const Packet& packet, int times = 1) const {
        const Bytes frame = packet.bytes();
        for (int i = 0; i < times; i++) {
            std::ignore = Programs::get().run(GetParam(), frame);
        }
    }

private:
    const std::size_t tables_ = static_cast<std::size_t>(libbpf_num_possible_cpus());
    cpu_set_t before_{};
};
INSTANTIATE_TEST_SUITE_P(, Hitters, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& kind) { return name(kind.param); });

Packet syn4(const std::string& from, const std::string& to = mx4) {
    return Eth().IPv4(from, to).Tcp(1024, 25).Syn();
}

TEST_P(Hitters, AreCountedByTheirAddress) {
    send(syn4(drop4), 5);
    send(syn4(reset4), 2);
    const auto all = hitters();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all.at(mapped(drop4)).packets, 5U);
    EXPECT_EQ(all.at(mapped(reset4)).packets, 2U);
    EXPECT_LE(all.at(mapped(drop4)).first, all.at(mapped(drop4)).last);
}

TEST_P(Hitters, AreCountedAtSight) {
    send(syn4(wide4), 5);
    send(syn4(wide_reset4), 2);
    send(syn4(wide_monitor4));
    const auto all = hitters();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all.at(mapped(wide4)).packets, 5U);
    EXPECT_EQ(all.at(mapped(wide_reset4)).packets, 2U);
    EXPECT_EQ(all.at(mapped(wide_monitor4)).packets, 1U);
}

TEST_P(Hitters, OfIPv6ByTheFirstHalf) {
    send(Eth().IPv6("2001:db8:200:7::7", mx6).Tcp(1024, 25).Syn());
    send(Eth().IPv6("2001:db8:200:7:1:2:3:4", mx6).Tcp(1024, 25).Syn());
    const auto all = hitters();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all.begin()->first, (Source{0x20010db802000007, 0}));
    EXPECT_EQ(all.begin()->second.packets, 2U);
}

TEST_P(Hitters, OfAPoolThatOnlyMonitorsToo) {
    send(syn4(monitor4));
    EXPECT_EQ(hitters().size(), 1U);
}

TEST_P(Hitters, AreNoneWhoMaySend) {
    send(syn4(exempt4));
    send(syn4(stranger4));
    send(syn4(drop4, designated4));
    send(Eth().IPv4(drop4, mx4).Tcp(1024, 587).Syn());
    send(Eth().IPv4(drop4, mx4).Udp(1024, 25));
    EXPECT_TRUE(hitters().empty());
}

TEST_P(Hitters, InATunnelByItsSource) {
    sekisho_interface interface{};
    interface.tunnels = 1;
    Programs::get().put_interface(1, interface);
    send(Eth().IPv6(drop6, "2001:db8:ffff::aaaa").IPv4("198.51.100.8", mx4).Tcp(1024, 25).Syn());
    const auto all = hitters();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all.begin()->first.first, number_of(drop6).high);
}

TEST_P(Hitters, RememberAboutHowManyDestinations) {
    for (int i = 1; i <= 20; i++) {
        send(syn4(drop4, "203.0.113." + std::to_string(i)), 3);
    }
    const int bits = std::popcount(hitters().at(mapped(drop4)).destinations);
    EXPECT_GT(bits, 12);
    EXPECT_LE(bits, 20);
}

// Beyond so many in an epoch, a few stand for all; the next epoch begins with each. Whether it is judged at
// sight or not.
TEST_P(Hitters, AreEstimatedInAFlood) {
    constexpr std::uint32_t sent = 200'000;
    for (const char* flooding : {drop4, wide4}) {
        const Bytes frame = syn4(flooding).bytes();
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.repeat = sent;
        ASSERT_EQ(bpf_prog_test_run_opts(Programs::get().descriptor(GetParam()), &options), 0);
        EXPECT_NEAR(static_cast<double>(hitters().at(mapped(flooding)).packets), sent, sent / 20.0)
            << flooding;
        const auto packets = [this] {
            const auto all = hitters();
            return all.contains(mapped(reset4)) ? all.at(mapped(reset4)).packets : 0;
        };
        const auto before = packets();
        let_an_epoch_pass();
        send(syn4(reset4), 300);
        EXPECT_EQ(packets(), before + 300U) << flooding;
    }
}

// The pool has more addresses than the table has places.
TEST_P(Hitters, TheHeavyOneOutlivesAFloodOfStrangers) {
    send(syn4(drop4), 20'000);
    for (int i = 0; i < 20'000; i++) {
        send(Eth().IPv6("2001:db8:200:" + std::to_string(i % 9000) + "::1", mx6).Tcp(1024, 25).Syn());
    }
    const auto all = hitters();
    ASSERT_TRUE(all.contains(mapped(drop4)));
    EXPECT_GE(all.at(mapped(drop4)).packets, 19'000U) << "an estimate";
    EXPECT_GT(all.size(), SEKISHO_HITTERS / 2);
}

TEST_P(Hitters, AStrangerTakesAPlaceThatIsStale) {
    send(syn4(drop4), 3);
    std::vector<sekisho_hitters> all = read();
    for (sekisho_hitters& table : all) {
        for (sekisho_hitter& place : table.places) {
            if (place.packets != 0) {  // somebody else's, who has sent a lot, long ago
                place.source[1]++;
                place.packets = 1'000'000'000;
                place.last -= 601;
            }
        }
    }
    write(all);
    send(syn4(drop4));
    const auto now = hitters();
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now.begin()->first, mapped(drop4));
    EXPECT_EQ(now.begin()->second.packets, 1U);
}

TEST_P(Hitters, WhoComesBackAfterAWhileBeginsAnew) {
    send(syn4(drop4), 3);
    std::vector<sekisho_hitters> all = read();
    for (sekisho_hitters& table : all) {
        for (sekisho_hitter& place : table.places) {
            if (place.packets != 0) {
                place.first -= 10'000;
                place.last -= 601;
            }
        }
    }
    write(all);
    send(syn4(drop4), 2);
    const auto now = hitters();
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now.begin()->second.packets, 2U);
    EXPECT_LE(now.begin()->second.last - now.begin()->second.first, 2U);
}

TEST_P(Hitters, OneDoesNotUseUpTheOthersAnswers) {
    Programs::get().table().answers_per_second = 400;
    const Bytes frame = syn4(reset4).bytes();
    int answered = 0;
    for (int i = 0; i < 300; i++) {
        answered += Programs::get().run(GetParam(), frame).fate == Fate::answered ? 1 : 0;
    }
    // A second may begin meanwhile.
    EXPECT_GE(answered, SEKISHO_ANSWER_LEAST);
    EXPECT_LE(answered, 2 * SEKISHO_ANSWER_LEAST);
    EXPECT_EQ(Programs::get().run(GetParam(), syn4("192.0.2.8").bytes()).fate, Fate::answered);
}

// Nor one that asks from a prefix full of addresses.
TEST_P(Hitters, APrefixDoesNotUseUpTheOthersAnswers) {
    sekisho_table& table = Programs::get().table();
    table.answers_per_second = 400;
    const auto answered = [](const std::string& source) {
        const Bytes frame = Eth().IPv6(source, mx6).Tcp(1024, 25).Syn().bytes();
        return Programs::get().run(GetParam(), frame).fate == Fate::answered ? 1 : 0;
    };
    const auto ask = [&] {
        int all = 0;
        for (int i = 0; i < 300; i++) {
            all += answered("2001:db8:100:a0" + std::string(1, "0123456789abcdef"[i % 16]) + "::1");
        }
        return all;
    };
    ASSERT_EQ(answered("2001:db8:100:a00::1"), 1) << "they are of a pool that resets";
    for (auto& segment : table.segments) {
        segment.key_bits = segment.key_bits > 48 && segment.key_bits <= 64 ? 56 : segment.key_bits;
    }
    Programs::get().renew_limiters();
    const int from_one = ask();
    EXPECT_GE(from_one, SEKISHO_ANSWER_LEAST - 1);
    EXPECT_LE(from_one, 2 * SEKISHO_ANSWER_LEAST);
    EXPECT_EQ(answered("2001:db8:100:b00::1"), 1);
}

}  // namespace
}  // namespace sekisho::bpftest
