// SPDX-License-Identifier: Apache-2.0
// Blocked SYNs a second: the XDP program against bare XDP_DROP and against nftables, interleaved, medians of
// rounds.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"

namespace sekisho::bench {
namespace {

// Many short rounds: what else the machine does comes in bursts, which medians forget.
constexpr std::size_t rounds = 25;
constexpr std::uint32_t frames = 1U << 18;
constexpr std::uint32_t frames_of_nftables = 1U << 16;

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

// Frames a second; the process ends unless each single one was blocked.
double rate(const Arena& arena, Contender& contender, std::uint32_t count, std::uint32_t sources) {
    contender.begin();
    static_cast<void>(arena.send(count / 16, sources));  // warms caches
    const auto before = contender.blocked();
    const double seconds = arena.send(count, sources);
    if (const auto blocked = contender.blocked() - before; blocked != count) {
        give_up(std::to_string(blocked) + " of " + std::to_string(count) + " frames were blocked");
    }
    return count / seconds;
}

struct Rates {
    std::vector<double> sekisho;
    std::vector<double> bare;
    std::vector<double> nftables;
};

double ratio(const std::vector<double>& ours, const std::vector<double>& theirs) {
    return median(ours) / median(theirs);
}

void print(const std::string& row, double value, double target, const Rates& rates) {
    std::printf(
        "{\"row\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\",\"target\":%.2f,\"met\":%s,\"peers\":{"
        "\"sekisho_per_second\":%.0f,\"xdp_drop_per_second\":%.0f",
        row.c_str(), value, target, value >= target ? "true" : "false", median(rates.sekisho),
        median(rates.bare));
    if (!rates.nftables.empty()) {
        std::printf(",\"nftables_per_second\":%.0f", median(rates.nftables));
    }
    std::printf("}}\n");
    std::fflush(stdout);
}

void run() {
    Arena arena;
    const auto sekisho = make_sekisho(arena);
    const auto bare = make_bare_drop(arena);
    const auto nftables = make_nftables(arena);
    Rates many;
    Rates few;
    for (std::size_t round = 0; round < rounds; round++) {
        many.sekisho.push_back(rate(arena, *sekisho, frames, many_sources));
        many.bare.push_back(rate(arena, *bare, frames, many_sources));
        many.nftables.push_back(rate(arena, *nftables, frames_of_nftables, many_sources));
        few.sekisho.push_back(rate(arena, *sekisho, frames, few_sources));
        few.bare.push_back(rate(arena, *bare, frames, few_sources));
    }
    print("dataplane-blocked-vs-drop", ratio(many.sekisho, many.bare), 0.85, many);
    print("dataplane-blocked-vs-nftables", ratio(many.sekisho, many.nftables), 4, many);
    print("dataplane-blocked-16-sources-vs-drop", ratio(few.sekisho, few.bare), 0.92, few);
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    if (geteuid() != 0) {
        std::cerr << "needs root: loads BPF programs and makes a network namespace\n";
        return 1;
    }
    sekisho::bench::run();
    return 0;
}
