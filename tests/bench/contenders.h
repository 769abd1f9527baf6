// SPDX-License-Identifier: Apache-2.0
// Who is measured: each blocks SYNs to port 25 from subscribers that have no entry among a million.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/bench/arena.h"

struct sekisho_xdp;

namespace sekisho::bench {

// Subscribers with an entry: the even addresses among first_source and the 2^21 behind it.
inline constexpr std::uint32_t entries = 1'000'000;

class Contender {
public:
    virtual ~Contender() = default;
    // Gets ready to be measured, alone.
    virtual void begin() = 0;
    // How many frames it has blocked so far.
    [[nodiscard]] virtual std::uint64_t blocked() = 0;
    // Its XDP program; negative if it has none.
    [[nodiscard]] virtual int program() const { return -1; }
};

// The program under test, with a table as the agent builds it.
[[nodiscard]] std::unique_ptr<Contender> make_sekisho(Arena& arena);
// One instruction.
[[nodiscard]] std::unique_ptr<Contender> make_bare_drop(Arena& arena);
// The same sets in nftables: pool, designated servers, a million entries with time-outs; at netdev ingress.
[[nodiscard]] std::unique_ptr<Contender> make_nftables(Arena& arena);

}  // namespace sekisho::bench
