// SPDX-License-Identifier: Apache-2.0
// Anonymous mappings on boundaries of huge pages.
#include "agent/base/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace sekisho {

namespace {

constexpr std::size_t page = std::size_t{2} << 20;  // of x86-64, and of aarch64 with 4 KiB pages

std::size_t whole_pages(std::size_t bytes) {
    return (bytes + page - 1) / page * page;
}

}  // namespace

void* HugePages::do_allocate(std::size_t bytes, std::size_t alignment) {
    if (alignment > page) {
        throw std::bad_alloc();
    }
    // One page more, so that there is a boundary in it; what stands around the piece goes back.
    const std::size_t size = whole_pages(bytes);
    void* const mapped =
        ::mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        throw std::bad_alloc();
    }
    auto* const begin = static_cast<std::uint8_t*>(mapped);
    const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
    std::uint8_t* const piece = begin + before;
    if (before != 0) {
        ::munmap(begin, before);
    }
    ::munmap(piece + size, page - before);
    ::madvise(piece, size, MADV_HUGEPAGE);  // a kernel without them gives small ones
    return piece;
}

void HugePages::do_deallocate(void* memory, std::size_t bytes, std::size_t /*alignment*/) {
    ::munmap(memory, whole_pages(bytes));
}

void* ManySmall::do_allocate(std::size_t bytes, std::size_t alignment) {
    if (bytes > largest || alignment > step) {
        return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    const std::size_t steps = std::max<std::size_t>((bytes + step - 1) / step, 1);
    if (Free* const place = free_.at(steps); place != nullptr) {
        free_.at(steps) = place->next;
        return place;
    }
    return pieces_.allocate(steps * step, step);
}

void ManySmall::do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) {
    if (bytes > largest || alignment > step) {
        std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
        return;
    }
    Free*& first = free_.at(std::max<std::size_t>((bytes + step - 1) / step, 1));
    first = ::new (memory) Free{first};
}

}  // namespace sekisho
