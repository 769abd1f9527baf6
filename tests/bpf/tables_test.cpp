// SPDX-License-Identifier: Apache-2.0
// Tables that are replaced while they are read: no packet is judged by half of one and half of another.
#include <bpf/bpf.h>

#include <atomic>
#include <thread>

#include "agent/dataplane/state.h"
#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

// With a pool that needs a search, and with one that doesn't.
class Tables : public testing::TestWithParam<std::tuple<Kind, const char*>> {};
INSTANTIATE_TEST_SUITE_P(, Tables,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc),
                                          testing::Values("198.18.7.0/24", "198.18.0.0/16")),
                         [](const auto& test) {
                             return name(std::get<0>(test.param)) + (test.index % 2 == 0 ? "Narrow" : "Wide");
                         });

// A pool, and before it so many others, which give it another segment, another range and other bits.
std::unique_ptr<sekisho_table> table_with(const std::string& pool, int others) {
    Policy policy;
    for (int i = 0; i < others; i++) {
        policy.pools.push_back({.prefix = "198.17." + std::to_string(100 + i) + ".0/24",
                                .action = SEKISHO_MONITOR,
                                .key_bits = 32,
                                .exempt = true});
    }
    policy.pools.push_back({.prefix = pool, .action = SEKISHO_DROP, .key_bits = 32});
    auto table = std::make_unique<sekisho_table>();
    const HandTable made(policy);
    *table = made.data();
    return table;
}

TEST_P(Tables, AreReplacedAsAWhole) {
    auto& programs = Programs::get();
    programs.reset();
    // In each, what the other has for the pool is nobody's, or somebody's who may send.
    const auto& [kind, pool] = GetParam();
    const auto few = table_with(pool, 0);
    const auto many = table_with(pool, 20);
    dataplane::Tables tables(programs.state());
    tables.replace(*few);
    std::atomic<bool> done = false;
    std::thread replacing([&] {
        constexpr int times = 100;
        for (int i = 0; i < times; i++) {
            tables.replace(*many);
            tables.replace(*few);
        }
        done = true;
    });
    const Bytes frame = Eth().IPv4(wide4, mx4).Tcp(1024, 25).Syn().bytes();
    std::uint64_t runs = 0;
    while (!done) {
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.repeat = 1000;
        ASSERT_EQ(bpf_prog_test_run_opts(programs.descriptor(kind), &options), 0);
        runs += 1000;
    }
    replacing.join();
    EXPECT_EQ(programs.counts(),
              (Counts{{{SEKISHO_REASON_NOT_GRANTED, SEKISHO_DROP}, {runs, runs * frame.size()}}}));
}

}  // namespace
}  // namespace sekisho::bpftest
