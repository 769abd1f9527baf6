// SPDX-License-Identifier: Apache-2.0
// Pieces on boundaries, and a pool that uses its places again.
#include "agent/base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <iterator>
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
    std::pmr::map<int, std::uint64_t> numbers(&many);
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

TEST(ManySmall, SizesDoNotMix) {
    ManySmall many;
    std::map<void*, std::size_t> given;
    for (const std::size_t size : {0UZ, 1UZ, 16UZ, 17UZ, 208UZ, 512UZ, 513UZ, 100'000UZ}) {
        for (int i = 0; i < 100; i++) {
            void* const place = many.allocate(size, size < 8 ? 1 : 8);
            std::memset(place, 0xff, size);
            const auto behind = given.upper_bound(place);
            if (behind != given.begin()) {
                const auto before = std::prev(behind);
                ASSERT_LE(static_cast<char*>(before->first) + before->second, place);
            }
            ASSERT_TRUE(given.emplace(place, size).second);
        }
    }
    for (const auto& [place, size] : given) {
        many.deallocate(place, size, size < 8 ? 1 : 8);
    }
    EXPECT_TRUE(given.contains(many.allocate(200, 8)));
}

TEST(ManySmall, KeepsWideBoundaries) {
    ManySmall many;
    void* const place = many.allocate(64, 64);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 64, 0U);
    many.deallocate(place, 64, 64);
}

}  // namespace
}  // namespace sekisho
