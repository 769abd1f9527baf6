// SPDX-License-Identifier: Apache-2.0
// The table of entries against a plain map.
#include "agent/dataplane/entry_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

namespace sekisho::dataplane {
namespace {

using Put = EntryTable::Put;
using Retired = EntryTable::Retired;

constexpr std::uint64_t seed = 42;

// IPv4 as in struct sekisho_key, or an IPv6 key of 64 bits.
sekisho_key key_number(std::uint32_t number) {
    sekisho_key key{};
    const bool ipv4 = number % 2 == 0;
    if (ipv4) {
        key.bytes[10] = key.bytes[11] = 0xff;
    } else {
        key.bytes[0] = 0x20;
    }
    std::memcpy(key.bytes + (ipv4 ? 12 : 4), &number, sizeof(number));
    return key;
}

sekisho_entry entry_number(std::uint32_t number, std::uint8_t flags = SEKISHO_ENTRY_GRANT) {
    sekisho_entry entry{};
    entry.key = key_number(number);
    entry.flags = flags;
    entry.generation = 1;
    entry.budget_left = static_cast<std::int32_t>(number);
    return entry;
}

std::size_t count_of(const EntryTable& table) {
    std::size_t count = 0;
    table.each([&count](const sekisho_entry&) { count++; });
    EXPECT_EQ(table.size(), count);
    return count;
}

class Entries : public testing::Test {
protected:
    EntryTable& with_room_for(std::uint32_t entries) {
        buckets_.assign(buckets_for(entries), {});
        return again();
    }
    // As the next agent finds it.
    EntryTable& again(std::uint64_t seeded = seed) {
        return table_.emplace(buckets_, seeded, [this] { waits_++; });
    }
    [[nodiscard]] std::vector<std::uint32_t> passed() const {
        std::vector<std::uint32_t> all;
        for (const sekisho_bucket& bucket : buckets_) {
            all.push_back(bucket.at[0].passed);
        }
        return all;
    }
    [[nodiscard]] int waits() const { return waits_; }
    // What the kernel does.
    sekisho_entry& place_of(std::uint32_t number) {
        for (sekisho_bucket& bucket : buckets_) {
            for (sekisho_entry& entry : bucket.at) {
                if (std::memcmp(&entry.key, entry_number(number).key.bytes, sizeof(entry.key)) == 0) {
                    return entry;
                }
            }
        }
        ADD_FAILURE() << "no entry " << number;
        return buckets_.front().at[0];
    }

private:
    std::vector<sekisho_bucket> buckets_;
    std::optional<EntryTable> table_;
    int waits_ = 0;
};

TEST_F(Entries, HaveRoomForAsManyAsWereAskedFor) {
    for (const std::uint32_t entries : {16U, 17U, 100U, 262'144U, 1'000'000U, 16'777'216U}) {
        EXPECT_GE(entries_in(buckets_for(entries)), entries);
        EXPECT_LE(entries_in(buckets_for(entries)), entries + 3);
    }
}

TEST_F(Entries, AreFoundWhenTheTableIsFull) {
    constexpr std::uint32_t many = 100'000;
    EntryTable& table = with_room_for(many);
    const std::uint32_t capacity = table.capacity();
    for (std::uint32_t number = 0; number < capacity; number++) {
        ASSERT_EQ(table.put(entry_number(number), true), Put::made);
    }
    EXPECT_EQ(table.put(entry_number(capacity), true), Put::full);
    EXPECT_EQ(table.put(entry_number(0), true), Put::changed) << "who is there stays";
    EXPECT_EQ(count_of(table), capacity);
    for (std::uint32_t number = 0; number < capacity; number++) {
        const auto found = table.find(key_number(number));
        ASSERT_TRUE(found);
        EXPECT_EQ(found->budget_left, static_cast<std::int32_t>(number));
    }
    EXPECT_FALSE(table.find(key_number(capacity)));
    EXPECT_EQ(waits(), 0);
}

TEST_F(Entries, AnotherIsNotPutWhereOneMayStillBeRead) {
    EntryTable& table = with_room_for(160);
    ASSERT_EQ(table.put(entry_number(0), true), Put::made);
    const sekisho_entry& first = place_of(0);
    EXPECT_TRUE(table.remove(key_number(0)));
    EXPECT_FALSE(table.remove(key_number(0)));
    EXPECT_EQ(first.flags, 0) << "who has found it finds nothing open";
    ASSERT_EQ(table.put(entry_number(0), true), Put::made);
    EXPECT_NE(&place_of(0), &first);
    EXPECT_TRUE(table.remove(key_number(0)));
    EXPECT_EQ(waits(), 0);
    table.settle();
    table.settle();
    EXPECT_EQ(waits(), 1) << "nothing has gone since";
    ASSERT_EQ(table.put(entry_number(0), true), Put::made);
    EXPECT_EQ(&place_of(0), &first);
}

TEST_F(Entries, DontWaitForEachThatGoes) {
    EntryTable& table = with_room_for(16'000);
    for (std::uint32_t number = 0; number < 16'000; number++) {
        ASSERT_EQ(table.put(entry_number(number), true), Put::made);
    }
    for (std::uint32_t number = 0; number < 16'000; number++) {
        table.remove(key_number(number));
    }
    EXPECT_LE(waits(), 16);
    EXPECT_GE(waits(), 1);
    EXPECT_EQ(passed(), std::vector<std::uint32_t>(passed().size())) << "nobody stands behind anybody";
}

// A table whose seed was lost, with the map it was pinned beside.
TEST_F(Entries, WhatTheKernelDoesNotFindIsTakenOut) {
    EntryTable& table = with_room_for(160);
    for (std::uint32_t number = 0; number < 160; number++) {
        ASSERT_EQ(table.put(entry_number(number), true), Put::made);
    }
    EntryTable& other = again(seed + 1);
    EXPECT_LT(count_of(other), 120U);
    other.each([&other](const sekisho_entry& entry) { EXPECT_TRUE(other.find(entry.key)); });
    for (std::uint32_t number = 0; number < 160; number++) {
        EXPECT_NE(other.put(entry_number(number), true), Put::full);
    }
    EXPECT_EQ(count_of(other), 160U);
}

TEST_F(Entries, AreThereForTheNextAgent) {
    with_room_for(1000);
    for (std::uint32_t number = 0; number < 1000; number++) {
        ASSERT_EQ(again().put(entry_number(number), true), Put::made);
    }
    EXPECT_EQ(again().put(entry_number(1000), true), Put::full);
    EXPECT_EQ(count_of(again()), 1000U);
    EXPECT_TRUE(again().find(key_number(999)));
}

TEST_F(Entries, WhatIsCountedGoesOn) {
    EntryTable& table = with_room_for(16);
    std::ignore = table.put(entry_number(5), true);
    sekisho_entry& kernels = place_of(5);
    kernels.budget_left = 3;
    kernels.flows = 2;
    kernels.window = 7;
    kernels.flags |= SEKISHO_ENTRY_OVERRUN;
    EXPECT_EQ(table.put(entry_number(5, SEKISHO_ENTRY_EXEMPT | SEKISHO_ENTRY_OVERRUN), false), Put::changed);
    EXPECT_EQ(kernels.budget_left, 3);
    EXPECT_EQ(kernels.flows, 2);
    EXPECT_EQ(kernels.window, 7U);
    EXPECT_EQ(kernels.flags, SEKISHO_ENTRY_EXEMPT | SEKISHO_ENTRY_OVERRUN);
    EXPECT_EQ(table.put(entry_number(5), true), Put::changed);
    EXPECT_EQ(kernels.budget_left, 5) << "renewed";
    EXPECT_EQ(kernels.flows, 2);
    sekisho_entry next = entry_number(5);
    next.generation = 2;
    kernels.budget_left = 1;
    EXPECT_EQ(table.put(next, false), Put::changed);
    EXPECT_EQ(kernels.budget_left, 5) << "another holder";
    EXPECT_EQ(kernels.flows, 0);
    EXPECT_EQ(kernels.window, 0U);
    EXPECT_EQ(kernels.flags, SEKISHO_ENTRY_GRANT);
}

TEST_F(Entries, RestWhileTheyHaveConnections) {
    EntryTable& table = with_room_for(16);
    std::ignore = table.put(entry_number(5), true);
    place_of(5).flows = 1;
    EXPECT_EQ(table.retire(key_number(5)), Retired::resting);
    EXPECT_EQ(table.find(key_number(5))->flags, 0);
    place_of(5).flows = 0;
    EXPECT_EQ(table.retire(key_number(5)), Retired::gone);
    EXPECT_EQ(table.retire(key_number(5)), Retired::absent);
    EXPECT_FALSE(table.find(key_number(5)));
}

TEST_F(Entries, ComeFromElsewhereWithTheirCounts) {
    EntryTable& table = with_room_for(16);
    sekisho_entry counted = entry_number(5, SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_OVERRUN);
    counted.flows = 4;
    counted.window = 9;
    EXPECT_EQ(table.restore(counted), Put::made);
    counted.flows = 3;
    EXPECT_EQ(table.restore(counted), Put::changed) << "again, after an interruption";
    EXPECT_EQ(count_of(table), 1U);
    const auto found = table.find(key_number(5));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->flows, 3);
    EXPECT_EQ(found->window, 9U);
    EXPECT_EQ(found->flags, SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_OVERRUN);
}

TEST_F(Entries, AreWhatAMapWouldHold) {
    constexpr std::uint32_t keys = 2000;
    EntryTable& table = with_room_for(keys / 2);
    std::map<std::uint32_t, std::int32_t> model;
    std::mt19937 random(7);
    for (int step = 0; step < 200'000; step++) {
        const auto number = static_cast<std::uint32_t>(random() % keys);
        if (random() % 5 < 3) {
            sekisho_entry entry = entry_number(number);
            entry.budget_left = static_cast<std::int32_t>(random() >> 1);
            const bool known = model.contains(number);
            const Put expected = known                             ? Put::changed
                                 : model.size() < table.capacity() ? Put::made
                                                                   : Put::full;
            ASSERT_EQ(table.put(entry, true), expected);
            if (expected != Put::full) {
                model[number] = entry.budget_left;
            }
        } else {
            ASSERT_EQ(table.remove(key_number(number)), model.erase(number) == 1);
        }
    }
    EXPECT_EQ(count_of(table), model.size());
    const auto counted = passed();
    EXPECT_NE(counted, std::vector<std::uint32_t>(counted.size()));
    const EntryTable& next = again();
    EXPECT_EQ(passed(), counted);
    for (std::uint32_t number = 0; number < keys; number++) {
        const auto found = next.find(key_number(number));
        const auto known = model.find(number);
        ASSERT_EQ(found.has_value(), known != model.end());
        if (found) {
            EXPECT_EQ(found->budget_left, known->second);
        }
    }
}

}  // namespace
}  // namespace sekisho::dataplane
