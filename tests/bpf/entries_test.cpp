// SPDX-License-Identifier: Apache-2.0
// Entries that come and go while they are read: nobody is taken for another.
#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "agent/dataplane/state.h"
#include "tests/bpf/connections.h"

namespace sekisho::bpftest {
namespace {

class Entries : public testing::TestWithParam<Kind> {
protected:
    void SetUp() override { fresh_table(); }

    // The agent, which waits for the kernel.
    static dataplane::EntryTable agent() {
        return {Programs::get().buckets(), Programs::get().state().seed, dataplane::wait_for_readers};
    }
    static sekisho_entry neighbour(std::uint32_t number) {
        sekisho_entry entry{};
        entry.key = key_of(wide4, 32);
        const std::uint32_t address = htonl(0xc6130000 + number);
        std::memcpy(entry.key.bytes + 12, &address, sizeof(address));
        entry.flags = SEKISHO_ENTRY_EXEMPT;
        return entry;
    }
    static void run(std::string_view source, int times) {
        const Bytes frame = Eth().IPv4(source, mx4).Tcp(1024, 25).Syn().bytes();
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.repeat = times;
        ASSERT_EQ(bpf_prog_test_run_opts(Programs::get().descriptor(GetParam()), &options), 0);
    }
};
INSTANTIATE_TEST_SUITE_P(, Entries, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& test) { return name(test.param); });

TEST_P(Entries, NobodyIsTakenForAnother) {
    auto& programs = Programs::get();
    const auto bit = HandTable(example_policy()).bit_of(drop4);
    ASSERT_TRUE(bit);
    programs.table().bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
    std::atomic<bool> done = false;
    // One who has nothing comes and goes himself; all the others are exempt.
    std::thread changing([&done] {
        dataplane::EntryTable table = agent();
        sekisho_entry himself{};
        himself.key = key_of(drop4, 32);
        himself.flags = SEKISHO_ENTRY_GRANT;
        himself.expires_ns = 1;
        for (std::uint32_t round = 0; round < 300; round++) {
            std::ignore = table.put(himself, true);
            for (std::uint32_t number = 0; number < table.capacity() - 1; number++) {
                std::ignore = table.put(neighbour(round * 10'000 + number), true);
            }
            table.remove(himself.key);
            for (const sekisho_entry& entry : table.all()) {
                table.remove(entry.key);
            }
        }
        done = true;
    });
    std::uint64_t runs = 0;
    while (!done) {
        run(drop4, 1000);
        runs += 1000;
    }
    changing.join();
    const Counts counts = programs.counts();
    ASSERT_EQ(counts.size(), 1U);
    EXPECT_EQ(counts.begin()->first, (std::pair<int, int>{SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP}));
    EXPECT_EQ(counts.begin()->second.first, runs);
}

// Whose entry stands is found at any moment, whatever comes and goes beside it.
TEST_P(Entries, WhoStaysIsAlwaysFound) {
    auto& programs = Programs::get();
    const auto bit = HandTable(example_policy()).bit_of(drop4);
    ASSERT_TRUE(bit);
    programs.table().bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
    dataplane::EntryTable table = agent();
    // He comes when all places are taken, so that he stands far from where he is looked for first.
    for (std::uint32_t number = 0; number < table.capacity() - 1; number++) {
        ASSERT_NE(table.put(neighbour(number), true), dataplane::EntryTable::Put::full);
    }
    sekisho_entry himself{};
    himself.key = key_of(drop4, 32);
    himself.flags = SEKISHO_ENTRY_EXEMPT;
    ASSERT_EQ(table.put(himself, true), dataplane::EntryTable::Put::made);
    std::atomic<bool> done = false;
    std::thread changing([&done, &table, &himself] {
        for (std::uint32_t round = 0; round < 300; round++) {
            for (const sekisho_entry& entry : table.all()) {
                if (std::memcmp(&entry.key, &himself.key, sizeof(entry.key)) != 0) {
                    table.remove(entry.key);
                }
            }
            for (std::uint32_t number = 0; number < table.capacity() - 1; number++) {
                std::ignore = table.put(neighbour(round * 10'000 + number), true);
            }
        }
        done = true;
    });
    std::uint64_t runs = 0;
    while (!done) {
        run(drop4, 1000);
        runs += 1000;
    }
    changing.join();
    const Counts counts = programs.counts();
    ASSERT_EQ(counts.size(), 1U);
    EXPECT_EQ(counts.begin()->first, (std::pair<int, int>{SEKISHO_REASON_EXEMPT, SEKISHO_PASS}));
    EXPECT_EQ(counts.begin()->second.first, runs);
}

}  // namespace
}  // namespace sekisho::bpftest
