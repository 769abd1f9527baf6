// SPDX-License-Identifier: Apache-2.0
// What is known of each subscriber key, in memory in which the kernel's programs read and count at the same
// time (bpf/known.h, bpf/flows.h). Pure: it knows no kernel.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_set>

#include "bpf/sekisho_abi.h"

namespace sekisho::dataplane {

// Buckets for so many entries, so that a third of the places stays free; and the other way round.
[[nodiscard]] std::uint32_t buckets_for(std::uint32_t entries);
[[nodiscard]] std::uint32_t entries_in(std::uint32_t buckets);

// The one writer of the table, which may have entries already. Not thread-safe.
class EntryTable {
public:
    enum class Put : std::uint8_t { changed, made, full };
    enum class Retired : std::uint8_t { gone, resting, absent };

    // The buckets outlive this; `seed` is that of their trails. `wait_for_readers` returns when no program
    // reads any more what it found before.
    EntryTable(std::span<sekisho_bucket> buckets, std::uint64_t seed, std::function<void()> wait_for_readers);

    [[nodiscard]] std::optional<sekisho_entry> find(const sekisho_key& key) const;
    // Begins to fetch what put() of the key will look at: then as many at once wait for memory as are
    // expected.
    void expect(const sekisho_key& key) const;
    // Calls `take` with each entry, in no order.
    void each(const std::function<void(const sekisho_entry&)>& take) const;
    [[nodiscard]] std::uint32_t size() const { return used_; }
    [[nodiscard]] std::uint32_t capacity() const;

    // Writes what is known of a key. What the kernel counts goes on: the budget begins anew only if it is to
    // be renewed, all of it with another generation. A packet meanwhile finds the old, nothing, or the new.
    [[nodiscard]] Put put(const sekisho_entry& entry, bool renew);
    // The same, with what the kernel has counted elsewhere, all of it.
    [[nodiscard]] Put restore(const sekisho_entry& entry);
    // Takes everything out of an entry but its flows, and the entry too, if it has none.
    Retired retire(const sekisho_key& key);
    // Takes the entry out; false if there is none.
    bool remove(const sekisho_key& key);
    // The places of entries that went are good for others from now on. Done when it must be, since it waits.
    void settle();

private:
    [[nodiscard]] sekisho_entry* locate(const sekisho_key& key) const;
    [[nodiscard]] sekisho_entry* free_place(const sekisho_key& key) const;
    [[nodiscard]] Put make(const sekisho_entry& entry);
    void note_passed(const sekisho_key& key, const sekisho_entry& entry, std::int32_t more);
    void clear_misplaced();
    void count_passed();
    void free(sekisho_entry& entry);

    std::span<sekisho_bucket> buckets_;
    std::uint64_t seed_;
    std::function<void()> wait_for_readers_;
    std::uint32_t used_ = 0;
    std::unordered_set<const sekisho_entry*> freed_;  // since settle()
};

}  // namespace sekisho::dataplane
