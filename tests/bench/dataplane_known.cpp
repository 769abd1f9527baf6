// SPDX-License-Identifier: Apache-2.0
// SYNs a second from subscribers of whom something is known: a million quarantined, which are blocked, and a
// million granted, whose connections are counted and recorded; against nftables with the same sets.
// Interleaved, medians of rounds.
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"

namespace sekisho::bench {
namespace {

constexpr std::size_t rounds = 15;
constexpr std::uint32_t frames = 1U << 17;
constexpr std::uint32_t frames_of_tracking = 1U << 16;  // a connection each, all of them remembered

void quarantined() {
    Arena arena;
    const auto sekisho = make_sekisho(arena, {.known = Known::quarantined});
    const auto nftables = make_nftables(arena, {.known = Known::quarantined});
    std::vector<double> ours, theirs;
    for (std::size_t round = 0; round < rounds; round++) {
        for (const auto& [contender, rates] :
             {std::pair(sekisho.get(), &ours), std::pair(nftables.get(), &theirs)}) {
            contender->begin();
            rates->push_back(rate(arena, frames, Traffic::known, [&] { return contender->blocked(); }));
        }
    }
    print_ratio("dataplane-quarantined-vs-nftables", median(ours) / median(theirs), 1.5,
                {{"sekisho", median(ours)}, {"nftables", median(theirs)}});
}

// Each in an arena of its own: connection tracking would see the other's packets, too.
void granted() {
    Arena arena;
    Arena tracking;
    const auto sekisho = make_sekisho(arena);
    const auto nftables = make_tracking_nftables(tracking);
    sekisho->begin();
    nftables->begin();
    std::vector<double> ours, theirs;
    for (std::size_t round = 0; round < rounds; round++) {
        ours.push_back(
            rate(arena, frames_of_tracking, Traffic::connections, [&] { return arena.arrived(); }));
        theirs.push_back(
            rate(tracking, frames_of_tracking, Traffic::connections, [&] { return tracking.arrived(); }));
    }
    print_ratio("dataplane-granted-vs-nftables", median(ours) / median(theirs), 1.5,
                {{"sekisho", median(ours)}, {"nftables", median(theirs)}});
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    sekisho::bench::require_root();
    sekisho::bench::quarantined();
    sekisho::bench::granted();
    return 0;
}
