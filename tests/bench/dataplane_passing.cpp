// SPDX-License-Identifier: Apache-2.0
// What a packet that isn't enforced costs: the XDP program over an empty one, in nanoseconds, by
// BPF_PROG_TEST_RUN, which takes the same time for each itself. Interleaved, medians of rounds.
#include <bpf/bpf.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"
#include "tests/bpf/packet.h"

namespace sekisho::bench {
namespace {

constexpr std::size_t rounds = 401;
constexpr int runs_of_a_round = 20'000;
constexpr double most_nanoseconds = 10;

// Of one run, on average.
double nanoseconds(int program, const bpftest::Bytes& frame) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.repeat = runs_of_a_round;
    constexpr std::uint32_t pass = 2;  // XDP_PASS
    if (bpf_prog_test_run_opts(program, &options) != 0 || options.retval != pass) {
        give_up("a packet that isn't enforced didn't pass");
    }
    return options.duration;
}

void measure(const std::string& row, int ours, int empty, const bpftest::Bytes& frame) {
    std::vector<double> with;
    std::vector<double> without;
    for (std::size_t round = 0; round < rounds; round++) {
        with.push_back(nanoseconds(ours, frame));
        without.push_back(nanoseconds(empty, frame));
    }
    const double more = median(with) - median(without);
    std::printf(
        "{\"row\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"target\":%.0f,\"met\":%s,\"peers\":{"
        "\"sekisho_ns\":%.1f,\"empty_program_ns\":%.1f}}\n",
        row.c_str(), more, most_nanoseconds, more <= most_nanoseconds ? "true" : "false", median(with),
        median(without));
    std::fflush(stdout);
}

void run() {
    Arena arena;
    const auto sekisho = make_sekisho(arena);
    const auto data = [](bpftest::Packet packet) { return packet.Flags(0x18).Payload(1000).bytes(); };
    using bpftest::Eth;
    const std::array<std::pair<const char*, bpftest::Bytes>, 4> frames{{
        {"dataplane-passing-tcp4", data(Eth().IPv4("10.0.0.1", "203.0.113.10").Tcp(40000, 443))},
        {"dataplane-passing-tcp6", data(Eth().IPv6("2001:db8::1", "2001:db8:ffff::10").Tcp(40000, 443))},
        {"dataplane-passing-udp4",
         Eth().IPv4("10.0.0.1", "203.0.113.10").Udp(40000, 443).Payload(1000).bytes()},
        {"dataplane-passing-tag", data(Eth().Vlan(7).IPv4("10.0.0.1", "203.0.113.10").Tcp(40000, 443))},
    }};
    for (const auto& [row, frame] : frames) {
        measure(row, sekisho->program(), arena.bare_pass(), frame);
    }
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    sekisho::bench::require_root();
    sekisho::bench::run();
    return 0;
}
