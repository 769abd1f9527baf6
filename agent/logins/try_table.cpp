// SPDX-License-Identifier: Apache-2.0
// Counts, locks, and forgets.
#include "agent/logins/try_table.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace sekisho::logins {

namespace {

constexpr std::size_t most_parts = 4;
constexpr int slots_of_window = 8;

}  // namespace

std::int64_t SlidingCount::slot_of(Moment moment, std::chrono::seconds window) {
    return moment.time_since_epoch() / (std::chrono::nanoseconds(window) / slots_of_window);
}

void SlidingCount::advance(std::int64_t slot) {
    if (slot - newest_ >= static_cast<std::int64_t>(slots)) {
        counts_.fill(0);
        newest_ = slot;
    }
    while (newest_ < slot) {
        newest_++;
        counts_[static_cast<std::size_t>(newest_) % slots] = 0;
    }
}

void SlidingCount::add(std::int64_t slot) {
    advance(slot);
    counts_[static_cast<std::size_t>(slot) % slots]++;
}

std::uint32_t SlidingCount::total(std::int64_t slot) {
    advance(slot);
    std::uint32_t sum = 0;
    for (const std::uint16_t count : counts_) {
        sum += count;
    }
    return sum;
}

void SlidingCount::take(SlidingCount& part, std::int64_t slot) {
    advance(slot);
    part.advance(slot);
    for (std::size_t i = 0; i < slots; i++) {
        counts_[i] = static_cast<std::uint16_t>(counts_[i] - std::min(counts_[i], part.counts_[i]));
    }
}

TryTable::Entries::iterator TryTable::entry_of(const std::string& who, Moment now) {
    end_locks(now);
    const auto known = entries_.find(who);
    if (known != entries_.end()) {
        return known;
    }
    make_room();
    const auto entry = entries_.try_emplace(who).first;
    entry->second.place = tried_.insert(tried_.end(), entry);
    return entry;
}

void TryTable::make_room() {
    if (entries_.size() >= limits_.most) {
        erase(tried_.empty() ? locks_.front() : tried_.front());
    }
}

void TryTable::erase(Entries::iterator entry) {
    (entry->second.lock ? locks_ : tried_).erase(entry->second.place);
    entries_.erase(entry);
}

void TryTable::end_locks(Moment now) {
    while (!locks_.empty()) {
        const Entries::iterator first = locks_.front();
        const auto& lock = first->second.lock;
        if (lock && lock->until > now) {
            return;
        }
        erase(first);
    }
}

std::optional<TryTable::Lock> TryTable::add(const std::string& who, std::string_view by, Moment now) {
    if (limits_.threshold == 0) {
        return std::nullopt;
    }
    Entry& entry = entry_of(who, now)->second;
    if (entry.lock) {
        return std::nullopt;
    }
    const std::int64_t slot = slot_of(now);
    entry.count.add(slot);
    tried_.splice(tried_.end(), tried_, entry.place);
    if (const std::uint32_t tries = entry.count.total(slot); tries >= limits_.threshold) {
        entry.lock = Lock{.who = who, .tries = tries, .held = 0, .since = now, .until = now + limits_.lock};
        entry.parts.clear();
        locks_.splice(locks_.end(), tried_, entry.place);
        return entry.lock;
    }
    if (by.empty()) {
        return std::nullopt;
    }
    const std::size_t hash = std::hash<std::string_view>()(by);
    auto part = std::ranges::find(entry.parts, hash, &Part::by);
    if (part == entry.parts.end()) {
        if (entry.parts.size() == most_parts) {
            entry.parts.erase(entry.parts.begin());
        }
        part = entry.parts.insert(entry.parts.end(), {.by = hash, .count = {}});
    }
    part->count.add(slot);
    return std::nullopt;
}

void TryTable::forgive(const std::string& who, std::string_view by, Moment now) {
    const auto entry = entries_.find(who);
    if (entry == entries_.end() || entry->second.lock) {
        return;
    }
    auto& parts = entry->second.parts;
    const auto part = std::ranges::find(parts, std::hash<std::string_view>()(by), &Part::by);
    if (part != parts.end()) {
        entry->second.count.take(part->count, slot_of(now));
        parts.erase(part);
    }
}

TryTable::Lock* TryTable::locked(const std::string& who, Moment now) {
    end_locks(now);
    const auto entry = entries_.find(who);
    if (entry == entries_.end()) {
        return nullptr;
    }
    auto& lock = entry->second.lock;
    return lock ? &*lock : nullptr;
}

bool TryTable::remove(const std::string& who, Moment now) {
    if (locked(who, now) == nullptr) {
        return false;
    }
    erase(entries_.find(who));
    return true;
}

std::vector<TryTable::Lock> TryTable::locks(Moment now) const {
    std::vector<Lock> list;
    for (const auto& entry : locks_) {
        const auto& lock = entry->second.lock;
        if (lock && lock->until > now) {
            list.push_back(*lock);
        }
    }
    return list;
}

std::size_t TryTable::locked_count(Moment now) const {
    const auto is_over = [now](const Entries::iterator& entry) { return entry->second.lock->until <= now; };
    return locks_.size() - static_cast<std::size_t>(std::ranges::count_if(locks_, is_over));
}

}  // namespace sekisho::logins
