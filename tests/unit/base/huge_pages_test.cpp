// SPDX-License-Identifier: Apache-2.0
// Pieces on boundaries, and a pool that uses its places again.
#include "agent/base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <string>

namespace sekisho {
namespace {

constexpr std::size_t huge = std::size_t{2} << 20;

TEST(HugePages, PiecesBeginOnABoundaryAndAreEmpty) {
    HugePages pages;
    for (const std::size_t size : {std::size_t{1}, huge, huge + 1, 5 * huge}) {
        auto* const piece = static_cast<std::uint8_t*>(pages.allocate(size));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece) % huge, 0U);
        EXPECT_EQ(piece[0], 0);
        EXPECT_EQ(piece[size - 1], 0);
        std::memset(piece, 0xff, size);
        pages.deallocate(piece, size);
    }
}

TEST(HugePages, MoreThanThereIsThrows) {
    HugePages pages;
    EXPECT_THROW(static_cast<void>(pages.allocate(std::size_t{1} << 60)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(pages.allocate(huge, 2 * huge)), std::bad_alloc);
    EXPECT_FALSE(pages == HugePages());
}

TEST(ManySmall, GivesTheSamePlaceAgain) {
    ManySmall many;
    std::pmr::map<int, std::uint64_t> numbers(many.memory());
    for (int i = 0; i < 100'000; i++) {
        numbers[i] = static_cast<std::uint64_t>(i) * 3;
    }
    const auto* const last = &numbers.at(99'999);
    numbers.erase(99'999);
    numbers[100'000] = 7;
    EXPECT_EQ(&numbers.at(100'000), last);
    for (int i = 0; i < 99'999; i++) {
        ASSERT_EQ(numbers.at(i), static_cast<std::uint64_t>(i) * 3);
    }
}

}  // namespace
}  // namespace sekisho
