// SPDX-License-Identifier: Apache-2.0
// Blocked SYNs a second while few and while many entries are known: interleaved, medians of rounds.
#include <algorithm>
#include <vector>

#include "tests/bench/arena.h"
#include "tests/bench/contenders.h"

namespace sekisho::bench {
namespace {

constexpr std::size_t rounds = 25;
constexpr std::uint32_t frames = 1U << 18;

void run() {
    Arena arena;
    constexpr auto pool = "10.0.0.0/9";  // 2^23 keys
    const auto few = make_sekisho(arena, {.count = 1'000, .pool = pool});
    const auto many = make_sekisho(arena, {.count = 4'000'000, .pool = pool});
    std::vector<double> with_few, with_many;
    for (std::size_t round = 0; round < rounds; round++) {
        for (const auto& [contender, rates] :
             {std::pair(few.get(), &with_few), std::pair(many.get(), &with_many)}) {
            contender->begin();
            rates->push_back(
                rate(arena, frames, Traffic::unknown_many, [&] { return contender->blocked(); }));
        }
    }
    const double small = median(with_few);
    const double large = median(with_many);
    print_ratio("dataplane-blocked-1k-to-4m-entries", std::min(small, large) / std::max(small, large), 0.9,
                {{"with_1k", small}, {"with_4m", large}});
}

}  // namespace
}  // namespace sekisho::bench

int main() {
    sekisho::bench::require_root();
    sekisho::bench::run();
    return 0;
}
