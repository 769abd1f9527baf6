// SPDX-License-Identifier: Apache-2.0
// A program sees each step as a whole, or finds nothing open.
#include "agent/dataplane/entry_table.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace sekisho::dataplane {

namespace {

constexpr std::uint8_t settable = SEKISHO_ENTRY_EXEMPT | SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_QUARANTINE |
                                  SEKISHO_ENTRY_UNLIMITED | SEKISHO_ENTRY_CONTRACT;

using KeyWords = std::array<std::uint64_t, 2>;
static_assert(sizeof(KeyWords) == sizeof(sekisho_key));

KeyWords words_of(const sekisho_key& key) {
    KeyWords words;
    std::memcpy(words.data(), key.bytes, sizeof(key.bytes));
    return words;
}

bool is_nobodys(const sekisho_entry& entry) {
    return words_of(entry.key) == KeyWords{};
}

template <class Number>
std::atomic_ref<Number> shared(Number& number) {
    return std::atomic_ref(number);
}

void set_flags(sekisho_entry& entry, std::uint8_t flags) {
    shared(entry.flags).fetch_and(static_cast<std::uint8_t>(~(settable & ~flags)));
    shared(entry.flags).fetch_or(flags & settable);
}

// The grant of another holder: what was counted of the last one counts no longer.
void hand_over(sekisho_entry& entry, std::uint32_t generation) {
    shared(entry.flags).fetch_and(static_cast<std::uint8_t>(~(SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_OVERRUN)));
    shared(entry.generation).store(generation);  // first, so that no flow of the last one is counted out
    shared(entry.flows).store(0);
    shared(entry.window).store(0);
}

// All but the key, which makes it somebody's, and the flags, which open something.
void fill(sekisho_entry& entry, const sekisho_entry& to) {
    shared(entry.expires_ns).store(to.expires_ns);
    shared(entry.generation).store(to.generation);
    shared(entry.budget_left).store(to.budget_left);
    shared(entry.window).store(to.window);
    shared(entry.flows).store(to.flows);
    shared(entry.key_bits).store(to.key_bits);
}

void update(sekisho_entry& entry, const sekisho_entry& to, bool renew) {
    const bool handed_over = entry.generation != to.generation;
    if (handed_over) {
        hand_over(entry, to.generation);
    }
    if (handed_over || renew) {
        shared(entry.budget_left).store(to.budget_left);
    }
    shared(entry.expires_ns).store(to.expires_ns);
    shared(entry.key_bits).store(to.key_bits);
    set_flags(entry, to.flags);
}

// The key's halves one after the other (only keys longer than 64 bits have two): whoever sees one of them
// finds nothing open there.
void set_key(sekisho_entry& entry, const sekisho_key& key) {
    const KeyWords numbers = words_of(key);
    // Aligned as the entry is, of which it is the first.
    auto* place = reinterpret_cast<std::uint64_t*>(entry.key.bytes);  // NOLINT(*-reinterpret-cast)
    shared(place[0]).store(numbers[0]);
    shared(place[1]).store(numbers[1]);
}

// The buckets in which a key may stand, in the order in which the kernel looks: calls `step` with each, until
// it says true.
template <class Step>
void walk(std::span<sekisho_bucket> buckets, std::uint64_t seed, const sekisho_key& key, const Step& step) {
    const KeyWords numbers = words_of(key);
    sekisho_trail trail = sekisho_trail_of(seed, numbers[0], numbers[1]);
    for (int tries = 0; tries < SEKISHO_TRAIL; tries++) {
        if (step(buckets[sekisho_bucket_at(trail.at, static_cast<std::uint32_t>(buckets.size()))])) {
            return;
        }
        sekisho_go_on(&trail);
    }
}

bool stands_in(const sekisho_bucket& bucket, const sekisho_entry& entry) {
    return std::ranges::any_of(bucket.at, [&](const sekisho_entry& each) { return &each == &entry; });
}

}  // namespace

// Entries to buckets as 8 to 3: two in three places of four.
std::uint32_t buckets_for(std::uint32_t entries) {
    return static_cast<std::uint32_t>((std::uint64_t{entries} * 3 + 7) / 8);
}

std::uint32_t entries_in(std::uint32_t buckets) {
    return static_cast<std::uint32_t>(std::uint64_t{buckets} * 8 / 3);
}

EntryTable::EntryTable(std::span<sekisho_bucket> buckets, std::uint64_t seed,
                       std::function<void()> wait_for_readers)
    : buckets_(buckets), seed_(seed), wait_for_readers_(std::move(wait_for_readers)) {
    clear_misplaced();
    count_passed();
}

// What the kernel doesn't find is nobody's: another seed's, or half a key.
void EntryTable::clear_misplaced() {
    for (sekisho_bucket& bucket : buckets_) {
        for (sekisho_entry& entry : bucket.at) {
            if (is_nobodys(entry)) {
                continue;
            }
            bool found = false;
            walk(buckets_, seed_, entry.key, [&](const sekisho_bucket& each) {
                found = &each == &bucket;
                return found;
            });
            if (found) {
                used_++;
            } else {
                shared(entry.flags).store(0);
                set_key(entry, {});
            }
        }
    }
}

// The numbers of one who died between two steps may be too high.
void EntryTable::count_passed() {
    std::unordered_map<const sekisho_bucket*, std::uint32_t> passed;
    for (const sekisho_bucket& bucket : buckets_) {
        for (const sekisho_entry& entry : bucket.at) {
            if (!is_nobodys(entry)) {
                walk(buckets_, seed_, entry.key, [&](const sekisho_bucket& each) {
                    const bool there = &each == &bucket;
                    passed[&each] += there ? 0 : 1;
                    return there;
                });
            }
        }
    }
    for (sekisho_bucket& bucket : buckets_) {
        const auto found = passed.find(&bucket);
        const std::uint32_t right = found == passed.end() ? 0 : found->second;
        if (bucket.at[0].passed != right) {  // the first write to a page costs more than all the rest
            shared(bucket.at[0].passed).store(right);
        }
    }
}

std::uint32_t EntryTable::capacity() const {
    return entries_in(static_cast<std::uint32_t>(buckets_.size()));
}

sekisho_entry* EntryTable::locate(const sekisho_key& key) const {
    const KeyWords wanted = words_of(key);
    sekisho_entry* found = nullptr;
    walk(buckets_, seed_, key, [&](sekisho_bucket& bucket) {
        for (sekisho_entry& entry : bucket.at) {
            found = found == nullptr && words_of(entry.key) == wanted ? &entry : found;
        }
        return found != nullptr || bucket.at[0].passed == 0;
    });
    return found;
}

sekisho_entry* EntryTable::free_place(const sekisho_key& key) const {
    sekisho_entry* found = nullptr;
    walk(buckets_, seed_, key, [&](sekisho_bucket& bucket) {
        for (sekisho_entry& entry : bucket.at) {
            const bool good = is_nobodys(entry) && !freed_.contains(&entry);
            found = found == nullptr && good ? &entry : found;
        }
        return found != nullptr;
    });
    return found;
}

// Says in all buckets before the one where an entry stands that it stands behind them, or no longer.
void EntryTable::note_passed(const sekisho_key& key, const sekisho_entry& entry, std::int32_t more) {
    walk(buckets_, seed_, key, [&](sekisho_bucket& bucket) {
        const bool there = stands_in(bucket, entry);
        if (!there) {
            shared(bucket.at[0].passed).fetch_add(static_cast<std::uint32_t>(more));
        }
        return there;
    });
}

std::optional<sekisho_entry> EntryTable::find(const sekisho_key& key) const {
    const sekisho_entry* entry = locate(key);
    return entry != nullptr ? std::optional(*entry) : std::nullopt;
}

void EntryTable::expect(const sekisho_key& key) const {
    walk(buckets_, seed_, key, [](const sekisho_bucket& bucket) {
        for (const sekisho_entry& entry : bucket.at) {
            __builtin_prefetch(&entry, 1);
        }
        asm volatile("" ::: "memory");  // GCC leaves out the calls of a function that only fetches
        return true;
    });
}

void EntryTable::each(const std::function<void(const sekisho_entry&)>& take) const {
    for (const sekisho_bucket& bucket : buckets_) {
        for (const sekisho_entry& entry : bucket.at) {
            if (!is_nobodys(entry)) {
                take(entry);
            }
        }
    }
}

EntryTable::Put EntryTable::make(const sekisho_entry& entry) {
    sekisho_entry* place = used_ < capacity() ? free_place(entry.key) : nullptr;
    if (place == nullptr && used_ < capacity() && !freed_.empty()) {
        settle();
        place = free_place(entry.key);
    }
    if (place == nullptr) {
        return Put::full;
    }
    note_passed(entry.key, *place, 1);
    fill(*place, entry);
    set_key(*place, entry.key);
    shared(place->flags).store(entry.flags);
    used_++;
    return Put::made;
}

EntryTable::Put EntryTable::put(const sekisho_entry& entry, bool renew) {
    if (sekisho_entry* found = locate(entry.key)) {
        update(*found, entry, renew);
        return Put::changed;
    }
    sekisho_entry fresh = entry;
    fresh.flags &= settable;
    fresh.flows = 0;
    fresh.window = 0;
    return make(fresh);
}

EntryTable::Put EntryTable::restore(const sekisho_entry& entry) {
    sekisho_entry* found = locate(entry.key);
    if (found == nullptr) {
        return make(entry);
    }
    shared(found->flags).store(0);
    fill(*found, entry);
    shared(found->flags).store(entry.flags);
    return Put::changed;
}

EntryTable::Retired EntryTable::retire(const sekisho_key& key) {
    sekisho_entry* entry = locate(key);
    if (entry == nullptr) {
        return Retired::absent;
    }
    shared(entry->flags).store(0);
    if (shared(entry->flows).load() != 0) {
        return Retired::resting;
    }
    free(*entry);
    return Retired::gone;
}

bool EntryTable::remove(const sekisho_key& key) {
    sekisho_entry* entry = locate(key);
    if (entry != nullptr) {
        free(*entry);
    }
    return entry != nullptr;
}

void EntryTable::free(sekisho_entry& entry) {
    const sekisho_key key = entry.key;
    shared(entry.flags).store(0);
    set_key(entry, {});
    note_passed(key, entry, -1);
    freed_.insert(&entry);
    used_--;
    // Before those that come stand far from where they are looked for first.
    constexpr std::size_t part = 16;
    if (freed_.size() > buckets_.size() * SEKISHO_BUCKET / part) {
        settle();
    }
}

void EntryTable::settle() {
    if (!freed_.empty()) {
        wait_for_readers_();
        freed_.clear();
    }
}

}  // namespace sekisho::dataplane
