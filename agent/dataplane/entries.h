// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/base/result.h"
#include "bpf/sekisho_abi.h"

struct ring_buffer;

namespace sekisho::dataplane {

// How many events found no room in the ring, all CPUs together, in 32 bits; nothing if it can't be told.
[[nodiscard]] std::optional<std::uint32_t> unsent_events(int limiters);

// The kernel's ring buffer of events. Stays where it is: libbpf remembers its address.
class Events {
public:
    Events() = default;
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;
    ~Events() = default;

    [[nodiscard]] Result<void> listen(int map);
    // Readable when there are events.
    [[nodiscard]] int descriptor() const;
    // Those that came since the last time.
    [[nodiscard]] std::vector<sekisho_event> drain();

private:
    struct Free {
        void operator()(ring_buffer* ring) const;
    };
    static int take(void* self, void* data, std::size_t size);

    std::unique_ptr<ring_buffer, Free> ring_;
    std::vector<sekisho_event> taken_;
};

}  // namespace sekisho::dataplane
