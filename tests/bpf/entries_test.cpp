// SPDX-License-Identifier: Apache-2.0
// Entries that come and go while they are read and counted in.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "agent/dataplane/state.h"
#include "tests/bpf/connections.h"

namespace sekisho::bpftest {
namespace {

using Put = dataplane::EntryTable::Put;

class Entries : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        fresh_table();
        auto& table = Programs::get().table();
        const auto bit = example_table().bit_of(drop4);
        ASSERT_TRUE(bit);
        table.bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
        table.flow_limit = 65'000;
        table.flow_idle_s = 900;
    }

    // The agent, which waits for the kernel.
    static dataplane::EntryTable agent() {
        return {Programs::get().buckets(), Programs::get().state().seed, dataplane::wait_for_readers};
    }
    static sekisho_entry grant_of(const sekisho_key& key) {
        sekisho_entry entry{};
        entry.key = key;
        entry.flags = SEKISHO_ENTRY_GRANT;
        entry.generation = 1;
        entry.expires_ns = ~std::uint64_t{0};
        entry.budget_left = 2'000'000'000;
        return entry;
    }
    static sekisho_entry himself() { return grant_of(key_of(drop4, 32)); }
    static sekisho_entry neighbour(std::uint32_t number) {
        sekisho_key key = key_of(drop4, 32);
        const std::uint32_t address = htonl(0xc6130000 + number);
        std::memcpy(key.bytes + 12, &address, sizeof(address));
        return grant_of(key);
    }
    // The bucket in which a key is looked for first.
    static std::uint32_t bucket_of(const sekisho_key& key) {
        std::array<std::uint64_t, 2> halves{};
        std::memcpy(halves.data(), key.bytes, sizeof(key.bytes));
        return sekisho_bucket_at(sekisho_trail_of(Programs::get().state().seed, halves[0], halves[1]).at,
                                 static_cast<std::uint32_t>(Programs::get().buckets().size()));
    }
    // So many who are looked for first where he is.
    static std::vector<sekisho_entry> beside_him(std::size_t count) {
        std::vector<sekisho_entry> found;
        for (std::uint32_t number = 0; found.size() < count; number++) {
            if (bucket_of(neighbour(number).key) == bucket_of(himself().key)) {
                found.push_back(neighbour(number));
            }
        }
        return found;
    }
    // His SYNs, each a connection, until `done`; how many.
    static std::uint64_t knock_until(const std::atomic<bool>& done) {
        constexpr std::uint16_t ports = 30'000;
        std::uint32_t runs = 0;
        for (; !done; runs++) {
            const auto port = static_cast<std::uint16_t>(1024 + runs % ports);
            std::ignore =
                Programs::get().run(GetParam(), Eth().IPv4(drop4, mx4).Tcp(port, 25).Syn().Seq(runs).bytes());
        }
        return runs;
    }
};
INSTANTIATE_TEST_SUITE_P(, Entries, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& test) { return name(test.param); });

// He comes and goes, and another gets his place each time: what his connections cost is never the other's.
TEST_P(Entries, NobodyPaysForAnother) {
    constexpr std::chrono::seconds long_enough{3};
    const sekisho_entry other = beside_him(1).front();
    std::atomic<bool> done = false;
    int rounds = 0;
    std::thread changing([&] {
        dataplane::EntryTable table = agent();
        const auto end = std::chrono::steady_clock::now() + long_enough;
        for (; std::chrono::steady_clock::now() < end; rounds++) {
            std::ignore = table.put(himself(), true);
            const std::uint32_t place = bucket_of(himself().key);
            EXPECT_TRUE(
                std::ranges::equal(Programs::get().buckets()[place].at[0].key.bytes, himself().key.bytes));
            std::this_thread::yield();
            table.remove(himself().key);
            table.settle();
            EXPECT_EQ(table.put(other, true), Put::made);
            std::this_thread::yield();
            const auto untouched = table.find(other.key);
            EXPECT_EQ(untouched->flows, 0);
            EXPECT_EQ(untouched->budget_left, other.budget_left);
            EXPECT_EQ(untouched->flags, SEKISHO_ENTRY_GRANT);
            table.remove(other.key);
            table.settle();
        }
        done = true;
    });
    const std::uint64_t runs = knock_until(done);
    changing.join();
    EXPECT_GT(rounds, 10);
    std::uint64_t counted = 0;
    for (const auto& [row, packets] : Programs::get().counts()) {
        EXPECT_TRUE(row.first == SEKISHO_REASON_GRANTED || row.first == SEKISHO_REASON_NOT_GRANTED)
            << row.first;
        counted += packets.first;
    }
    EXPECT_EQ(counted, runs);
}

// Whose entry stands is found at any moment, whoever comes and goes before him.
TEST_P(Entries, WhoStaysIsAlwaysFound) {
    constexpr std::chrono::seconds long_enough{2};
    dataplane::EntryTable table = agent();
    const std::vector<sekisho_entry> before_him = beside_him(SEKISHO_BUCKET);
    for (const sekisho_entry& entry : before_him) {
        ASSERT_EQ(table.put(entry, true), Put::made);
    }
    ASSERT_EQ(table.put(himself(), true), Put::made);
    ASSERT_EQ(Programs::get().buckets()[bucket_of(himself().key)].at[0].passed, 1U);
    std::atomic<bool> done = false;
    std::thread changing([&] {
        const auto end = std::chrono::steady_clock::now() + long_enough;
        while (std::chrono::steady_clock::now() < end) {
            for (const sekisho_entry& entry : before_him) {
                table.remove(entry.key);
            }
            for (const sekisho_entry& entry : before_him) {
                EXPECT_EQ(table.put(entry, true), Put::made);
            }
        }
        done = true;
    });
    const std::uint64_t runs = knock_until(done);
    changing.join();
    const Counts counts = Programs::get().counts();
    ASSERT_EQ(counts.size(), 1U);
    EXPECT_EQ(counts.begin()->first, (std::pair<int, int>{SEKISHO_REASON_GRANTED, SEKISHO_PASS}));
    EXPECT_EQ(counts.begin()->second.first, runs);
}

}  // namespace
}  // namespace sekisho::bpftest
