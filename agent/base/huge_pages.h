// SPDX-License-Identifier: Apache-2.0
// Memory for what is small and may be a million.
#pragma once

#include <array>
#include <cstddef>
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

// Many small things, whose places are used again for such of their size, but never given back. (The standard
// library's pool makes 256 octets of 208.) Not thread-safe.
class ManySmall : public std::pmr::memory_resource {
public:
    static constexpr std::size_t largest = 512;  // what is larger comes from where new has it

private:
    static constexpr std::size_t step = 16;
    static constexpr std::size_t first_piece = std::size_t{2} << 20;
    struct Free {
        Free* next;
    };

    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
    [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }

    HugePages pages_;
    std::pmr::monotonic_buffer_resource pieces_{first_piece, &pages_};
    std::array<Free*, largest / step + 1> free_{};  // by their size in steps
};

}  // namespace sekisho
