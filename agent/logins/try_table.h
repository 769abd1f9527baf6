// SPDX-License-Identifier: Apache-2.0
// Failed tries of one kind (of addresses, of networks, of users), and who is locked for them. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho::logins {

// Passed in; only differences count.
using Moment = std::chrono::steady_clock::time_point;

// A count of what happened in the last window: exact for the window itself, and what is older is forgotten
// when it is at most an eighth of it older.
class SlidingCount {
public:
    void add(std::int64_t slot);
    [[nodiscard]] std::uint32_t total(std::int64_t slot);
    // Takes away what `part` has counted; a part of what was counted here.
    void take(SlidingCount& part, std::int64_t slot);

    // Which slot a moment lies in, of a window of this length.
    [[nodiscard]] static std::int64_t slot_of(Moment moment, std::chrono::seconds window);

private:
    static constexpr std::size_t slots = 9;  // eight are a window, the newest has only begun
    void advance(std::int64_t slot);

    std::int64_t newest_ = 0;
    std::array<std::uint16_t, slots> counts_{};
};

class TryTable {
public:
    struct Limits {
        std::uint32_t threshold = 0;  // 0: nothing is counted
        std::chrono::seconds window{};
        std::chrono::seconds lock{};
        std::size_t most = 0;  // entries, counted and locked ones together
    };

    struct Lock {
        std::string who;
        std::uint32_t tries = 0;  // that led to it
        std::uint64_t held = 0;   // logins that were refused or delayed for it
        Moment since{};
        Moment until{};
    };

    explicit TryTable(const Limits& limits) : limits_(limits) {}
    TryTable(const TryTable&) = delete;
    TryTable& operator=(const TryTable&) = delete;

    // Counts a try, unless `who` is locked. The lock, if this try was one too many. A full table forgets who
    // has tried least lately; only if all that it holds is locked, whose lock ends first.
    std::optional<Lock> add(const std::string& who, std::string_view by, Moment now);
    // Takes back the tries that `by` has made; of the last four who tried.
    void forgive(const std::string& who, std::string_view by, Moment now);

    // The lock of `who`, if any; it may be changed.
    [[nodiscard]] Lock* locked(const std::string& who, Moment now);
    // Ends a lock, and forgets the tries; false if there is none.
    bool remove(const std::string& who, Moment now);
    // All of them, the oldest first.
    [[nodiscard]] std::vector<Lock> locks(Moment now) const;
    [[nodiscard]] std::size_t locked_count(Moment now) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    // What one user tried; of his name only the hash is kept.
    struct Part {
        std::size_t by = 0;
        SlidingCount count;
    };
    struct Entry;
    using Entries = std::map<std::string, Entry, std::less<>>;
    using Order = std::list<Entries::iterator>;
    struct Entry {
        SlidingCount count;
        std::vector<Part> parts;
        std::optional<Lock> lock;
        Order::iterator place;  // in locks_ or in tried_
    };

    Entries::iterator entry_of(const std::string& who, Moment now);
    void make_room();
    void erase(Entries::iterator entry);
    // Forgets locks that are over: all last equally long, so they stand in the order of their ends.
    void end_locks(Moment now);
    [[nodiscard]] std::int64_t slot_of(Moment now) const {
        return SlidingCount::slot_of(now, limits_.window);
    }

    Limits limits_;
    Entries entries_;
    Order tried_;  // not locked, the last one to try stands last
    Order locks_;  // the newest last
};

}  // namespace sekisho::logins
