// SPDX-License-Identifier: Apache-2.0
// Ordinary packets that the box forwards, a second: by the stack with the program and without any, by the
// stack with nftables judging the same, and by the fast path. Interleaved, medians of rounds; each packet
// must come out.
#include <memory>
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"

namespace sekisho::bench {
namespace {

constexpr std::size_t rounds = 25;
constexpr std::uint32_t frames = 1U << 16;

void run() {
    Arena arena;
    Arena ruled;  // its rules are always there
    const auto nothing = make_nothing(arena);
    const auto sekisho = make_sekisho(arena);
    const auto fast = make_sekisho(arena, {.fast_path = true});
    const auto nftables = make_nftables(ruled);
    std::vector<double> bare, judged, quick, theirs;
    for (std::size_t round = 0; round < rounds; round++) {
        for (const auto& [contender, rates, place] :
             {std::tuple(nothing.get(), &bare, &arena), std::tuple(sekisho.get(), &judged, &arena),
              std::tuple(fast.get(), &quick, &arena), std::tuple(nftables.get(), &theirs, &ruled)}) {
            contender->begin();
            rates->push_back(rate(*place, frames, Traffic::ordinary, [place] { return place->arrived(); }));
        }
    }
    print_ratio("dataplane-other-traffic", median(judged) / median(bare), 0.97,
                {{"sekisho", median(judged)}, {"no_program", median(bare)}});
    print_ratio("dataplane-fast-path", median(quick) / median(theirs), 2.3,
                {{"fast_path", median(quick)}, {"nftables", median(theirs)}});
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    sekisho::bench::require_root();
    sekisho::bench::run();
    return 0;
}
