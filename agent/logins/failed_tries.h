// SPDX-License-Identifier: Apache-2.0
// Brute force: who has failed too often to log in. Pure: the time is passed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/logins/homes.h"
#include "agent/logins/try_table.h"

namespace sekisho::logins {

// What tries are counted by.
enum class Counted : std::uint8_t { address, network, user };

[[nodiscard]] std::string_view to_string(Counted kind);  // "address", "network", "user"

// One that is locked: "192.0.2.7" or "2001:db8:1:2::/64", "192.0.2.0/24", "alice".
struct Lockout {
    Counted kind = Counted::address;
    TryTable::Lock lock;
};

// What becomes of a login.
struct Judgement {
    enum class Verdict : std::uint8_t { pass, wait, refuse } verdict = Verdict::pass;
    std::chrono::seconds wait{};
    std::optional<Lockout> lockout;  // why it doesn't pass
};

// Counts failed tries of the last window by address, by network and by user. Each operation costs O(log n);
// memory is bounded, whoever tries.
//
// A lock ends when it was said to: tries of an address or a network that is locked are not counted for
// anything, those for a user who is locked not for him. A user's lock holds for strangers only: not for a
// network from which he has logged in within 30 days. A success takes back from the count of its
// address what this user has failed there, and nothing else, so that whoever has an account can't hide his
// guesses at others by it.
//
// A user may have several names: that by which the server knows him, and that by which a client calls him. A
// try counts for all of them, and a lock of one locks him, but not at home, where he has logged in by any of
// them. Only the server's is remembered there, for clients could think of many.
class FailedTries {
public:
    // Of each kind, so many are counted or locked at once.
    static constexpr std::size_t most_entries = 100'000;

    explicit FailedTries(const TriesConfig& config, std::size_t most = most_entries);

    // Other names of the same user.
    using Also = std::span<const std::string>;

    // A try that failed; the locks that begin with it. `user` may be empty.
    std::vector<Lockout> failed(const Address& address, std::string_view user, Moment now, Also also = {});
    // The same, but for these names alone: the try has counted for all else already.
    std::vector<Lockout> failed_as(const Address& address, Also names, Moment now);
    // A login with the right password.
    void succeeded(const Address& address, std::string_view user, Moment now, Also also = {});
    // Whether a login may go on. The lockout that forbids it has it counted.
    [[nodiscard]] Judgement judge(const Address& address, std::string_view user, Moment now, Also also = {});

    // Whether logins from this address are refused, and have been for so long that none of them can have
    // begun before.
    [[nodiscard]] bool has_long_refused(const Address& address, Moment now);

    // All of them, by kind, the oldest first.
    [[nodiscard]] std::vector<Lockout> lockouts(Moment now) const;
    [[nodiscard]] std::size_t locked_count(Counted kind, Moment now) const;
    // Ends the lock of an address (or its /64), a network or a user, and forgets the tries.
    // Failure::not_found if it isn't locked.
    Result<void> remove(const std::string& who, Moment now);

private:
    // What an address is counted by.
    struct Keys {
        std::string address;
        std::string network;
    };
    [[nodiscard]] Keys keys_of(const Address& address) const;
    [[nodiscard]] bool is_exempt(const Address& address) const;
    [[nodiscard]] TryTable::Limits limits_of(std::uint32_t threshold, std::size_t most) const;
    // Whether tries from there count at all.
    [[nodiscard]] bool counts(const Address& address, const Keys& keys, Moment now);
    [[nodiscard]] std::optional<Lockout> lockout_of(const Keys& keys, const std::vector<std::string>& names,
                                                    Moment now);
    [[nodiscard]] Error not_locked(const std::string& who, Moment now);

    TriesConfig config_;
    TryTable addresses_;
    TryTable networks_;
    TryTable users_;
    std::optional<Homes> homes_;  // where users are counted
};

}  // namespace sekisho::logins
