// SPDX-License-Identifier: Apache-2.0
// Blocked SYNs a second: the XDP program against bare XDP_DROP and against nftables, interleaved, medians of
// rounds.
#include <memory>
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"

namespace sekisho::bench {
namespace {

// Many short rounds: what else the machine does comes in bursts, which medians forget.
constexpr std::size_t rounds = 25;
constexpr std::uint32_t frames = 1U << 18;
constexpr std::uint32_t frames_of_nftables = 1U << 16;

double round_of(const Arena& arena, Contender& contender, std::uint32_t count, Traffic traffic) {
    contender.begin();
    return rate(arena, count, traffic, [&contender] { return contender.blocked(); });
}

void run() {
    Arena arena;
    const auto sekisho = make_sekisho(arena);
    const auto bare = make_bare_drop(arena);
    const auto nftables = make_nftables(arena);
    std::vector<double> many, many_bare, many_nftables, few, few_bare;
    for (std::size_t round = 0; round < rounds; round++) {
        many.push_back(round_of(arena, *sekisho, frames, Traffic::unknown_many));
        many_bare.push_back(round_of(arena, *bare, frames, Traffic::unknown_many));
        many_nftables.push_back(round_of(arena, *nftables, frames_of_nftables, Traffic::unknown_many));
        few.push_back(round_of(arena, *sekisho, frames, Traffic::unknown_few));
        few_bare.push_back(round_of(arena, *bare, frames, Traffic::unknown_few));
    }
    const double ours = median(many);
    const double drop = median(many_bare);
    const double theirs = median(many_nftables);
    print_ratio("dataplane-blocked-vs-drop", ours / drop, 0.85, {{"sekisho", ours}, {"xdp_drop", drop}});
    print_ratio("dataplane-blocked-vs-nftables", ours / theirs, 4, {{"sekisho", ours}, {"nftables", theirs}});
    print_ratio("dataplane-blocked-16-sources-vs-drop", median(few) / median(few_bare), 0.92,
                {{"sekisho", median(few)}, {"xdp_drop", median(few_bare)}});
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    sekisho::bench::require_root();
    sekisho::bench::run();
    return 0;
}
