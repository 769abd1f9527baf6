// SPDX-License-Identifier: Apache-2.0
// Memory for what is small and may be a million.
#pragma once

#include <memory_resource>

namespace sekisho {

// Takes memory from the kernel in large pieces, for which it may use huge pages: a page fault for each 4 KiB
// costs more than filling them. To be asked rarely; give it to a pool.
class HugePages : public std::pmr::memory_resource {
private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
    [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

// Many small things, whose places are used again but never given back. Not thread-safe.
class ManySmall {
public:
    [[nodiscard]] std::pmr::memory_resource* memory() { return &pool_; }

private:
    static constexpr std::size_t first_piece = std::size_t{2} << 20;

    HugePages pages_;
    std::pmr::monotonic_buffer_resource pieces_{first_piece, &pages_};
    std::pmr::unsynchronized_pool_resource pool_{&pieces_};
};

}  // namespace sekisho
