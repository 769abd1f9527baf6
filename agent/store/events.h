// SPDX-License-Identifier: Apache-2.0
// The audit log: each decision about who may use port 25, with its reason, in a SQLite file of its own. It is
// kept apart from what must outlive a power failure, since it grows and may be thrown away.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/database.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::store {

// One decision.
struct Event {
    std::uint64_t id = 0;  // in their order, never used again while the file is the same
    grants::WallTime when{};
    std::string name{};             // as in the log: LOGIN_GRANTED, QUARANTINE_ADDED, ...
    std::string text{};             // what was decided, and why
    std::optional<Prefix> key{};    // whom it is about; an address in no pool is its own
    std::string user{};             // who logged in
    std::string reporter{};         // who said so
    std::string protocol{};         // of the login
    std::string rule{};             // that decided: the name of a [[grants.rule]]
    std::uint64_t session = 0;      // the subscriber's; 0: none is known
    std::string by{};               // the operator who ordered it: "uid 1000"
    std::chrono::seconds lasts{0};  // how long it is good for; 0: no time
};

// Which ones are asked for. What is empty excludes none.
struct EventFilter {
    std::uint64_t after = 0;   // later than this id
    std::uint64_t before = 0;  // earlier than this id; 0: any
    std::optional<Prefix> within{};
    std::string name{};
    std::string user{};
    std::string reporter{};
    std::uint64_t session = 0;
    std::optional<grants::WallTime> since{};
};

struct FoundEvents {
    std::vector<Event> events;  // in their order
    // From where to ask on, by `after` if that was set: what comes later was not looked at (never beyond the
    // last one). Else by `before`, and 0 if there are no earlier ones.
    std::uint64_t next = 0;
};

// How much is kept.
struct EventRetention {
    std::chrono::seconds time{std::chrono::days(90)};
    std::uint64_t size = std::uint64_t{1} << 30;  // octets of the file that are in use
};

// One process, one thread. What is added is written some at a time by flush(), and lost if the agent dies
// before.
class Events {
public:
    // Opens or creates the file (mode 0600). One that is damaged or of a newer version is moved aside, with a
    // log line (EVENTS_SET_ASIDE), and begun anew; but by its mode it must be ours, else Failure::invalid.
    // Failure::conflict for another program's, Failure::unavailable if there can be no such file.
    [[nodiscard]] static Result<Events> open(const std::filesystem::path& file,
                                             const EventRetention& retention);

    // Gives it its id. If more than most_waiting wait for the disk, the oldest of them is lost.
    void add(Event event);

    // Writes what waits, in one transaction, and deletes as much of the oldest as there is too much then. On
    // failure it goes on waiting.
    [[nodiscard]] Result<void> flush();

    // Deletes what is older or more than is to be kept, some thousands at most: by age, and for a limit that
    // was lowered. Whether it has deleted any; then there may be more.
    [[nodiscard]] Result<bool> expire(grants::WallTime now);

    // At most `count` that fit: the first ones where `filter.after` is set, else the last ones. Fewer if the
    // search takes longer than `patience`, because a login may be waiting. What waits is written before.
    [[nodiscard]] Result<FoundEvents> find(const EventFilter& filter, std::size_t count,
                                           std::chrono::milliseconds patience = usual_patience);
    static constexpr std::chrono::milliseconds usual_patience{50};

    // The id of the last one that was added; 0 if there is none.
    [[nodiscard]] std::uint64_t last() const { return last_; }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }
    // As Store::copy_trouble.
    [[nodiscard]] std::optional<Error> copy_trouble() const { return database_.copy_trouble(); }

    static constexpr std::size_t most_waiting = 100'000;

private:
    Events(Database database, Statement insert, const EventRetention& retention, std::uint64_t last);

    [[nodiscard]] Result<void> write_waiting(std::uint64_t used_before);
    [[nodiscard]] Result<void> make_room(std::uint64_t used_before);
    [[nodiscard]] Result<void> delete_until(std::int64_t id);
    [[nodiscard]] Result<std::uint64_t> used() const;
    // Ids above the first and up to the second.
    using Window = std::pair<std::uint64_t, std::uint64_t>;
    [[nodiscard]] bool is_long_before(grants::WallTime time, const Window& window) const;
    [[nodiscard]] Result<void> look(const EventFilter& filter, const Window& window, std::size_t count,
                                    std::vector<Event>& found) const;

    Database database_;
    Statement insert_;
    EventRetention retention_;
    std::deque<Event> waiting_;
    std::uint64_t last_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace sekisho::store
