// SPDX-License-Identifier: Apache-2.0
// Who is measured. All have the same sets: a pool, designated servers, subscribers with an entry.
#pragma once

#include <cstdint>
#include <memory>

#include "tests/bench/arena.h"

namespace sekisho::bench {

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

// What is known of the subscribers with an entry.
enum class Known : std::uint8_t { granted, quarantined };

struct Set {
    Known known = Known::granted;
    std::uint32_t count = entries;
    const char* pool = "10.0.0.0/11";  // 2^21 keys
    bool fast_path = false;            // of the program under test
};

// The program under test, with a table as the agent builds it. A grant has a budget, and connections are
// recorded.
[[nodiscard]] std::unique_ptr<Contender> make_sekisho(Arena& arena, const Set& set = {});
// One instruction.
[[nodiscard]] std::unique_ptr<Contender> make_bare_drop(Arena& arena);
// No program, no rules.
[[nodiscard]] std::unique_ptr<Contender> make_nothing(Arena& arena);
// The same in nftables, at netdev ingress, entries with time-outs.
[[nodiscard]] std::unique_ptr<Contender> make_nftables(Arena& arena, const Set& set = {});
// The same in nftables where the kernel forwards, with connection tracking: a connection is opened by who has
// an entry, and goes on. What it changes of the machine's connection tracking is put back at its end.
[[nodiscard]] std::unique_ptr<Contender> make_tracking_nftables(Arena& arena);

}  // namespace sekisho::bench
