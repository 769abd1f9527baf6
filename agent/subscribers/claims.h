// SPDX-License-Identifier: Apache-2.0
// Which session has which prefix, decided by when each was heard to have it, not by the order in which that
// was heard. Pure.
#pragma once

#include <boost/intrusive/set.hpp>
#include <boost/intrusive/slist.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/address.h"

namespace sekisho::subscribers {

// Whole seconds since 1970, in half the room; until 2106. RADIUS tells no more (RFC 2869, section 5.3).
using Moment = std::chrono::time_point<std::chrono::system_clock, std::chrono::duration<std::uint32_t>>;

inline std::chrono::sys_seconds seconds_of(Moment time) {
    return std::chrono::sys_seconds(std::chrono::seconds(time.time_since_epoch().count()));
}

// The addresses of the prefix have passed from one session to another; 0 stands for none. Those of narrower
// prefixes in it that have a holder of their own have not.
struct HolderChange {
    Prefix prefix;
    std::uint64_t before = 0;
    std::uint64_t after = 0;

    bool operator==(const HolderChange&) const = default;
};

class Holder;

// The latest word on one prefix. Small, since there may be some million.
struct Claim : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                               boost::intrusive::optimize_size<true>>,
               boost::intrusive::slist_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
    Holder* holder = nullptr;  // null: it is over
    Moment from;               // when this holder began to have it
    Moment time;               // when it was last said to
    Moment until;              // of one that is over: when its holder let go of it
    Address address;
    std::uint8_t length = 0;

    [[nodiscard]] Prefix prefix() const { return {address, length}; }
};
static_assert(sizeof(Claim) <= 72);

// A session, as far as it has prefixes. It must have none left when it goes.
class Holder {
public:
    std::uint64_t number = 0;

    // In order; and since when it has each, likewise.
    [[nodiscard]] std::vector<Prefix> prefixes() const;
    [[nodiscard]] std::vector<std::chrono::sys_seconds> held_since() const;

private:
    friend class Claims;
    boost::intrusive::slist<Claim, boost::intrusive::constant_time_size<false>,
                            boost::intrusive::linear<true>>
        claims_;
};

// What is known of prefixes and their holders. An address belongs to the longest prefix around it that has a
// holder. What is over is remembered, too, so that a late packet can't give an address to whom it has left.
class Claims {
public:
    // `most_past`: how many claims that are over are remembered.
    explicit Claims(std::size_t most_past) : most_past_(most_past) {}
    Claims(const Claims&) = delete;
    Claims& operator=(const Claims&) = delete;
    ~Claims();

    // One packet's word that at a time a session had a prefix.
    struct Word {
        Prefix prefix;
        Moment time;
        Holder* holder = nullptr;      // nobody, if the session has ended since, or has other prefixes since
        bool first = false;            // the session had said nothing of the time: in a tie, it wins
        std::optional<Moment> from{};  // since when the holder has it, if not since `time`
    };
    // Where nothing is known that is newer, the prefix has this holder now. A holder that is new to it also
    // takes the narrower prefixes within from others, unless they said later that they have them; a wider one
    // stays with whom it is. False, and nothing changes, if another has had the prefix later, or has begun
    // later to have one that covers it.
    bool claim(const Word& word, std::vector<HolderChange>& changes);

    // Takes from the holder, at this time, all prefixes for which `over` is true; their holder is who has the
    // next wider one.
    void release(Holder& holder, Moment time, const std::function<bool(const Prefix&)>& over,
                 std::vector<HolderChange>& changes);

    // Who has all of the prefix but what narrower ones of others take out of it; null if nobody.
    [[nodiscard]] const Holder* holder_of(const Prefix& prefix) const;

    // Since when: also who has had a wider one all along has it only since the one before let go. 1970 if
    // nobody has it.
    [[nodiscard]] Moment held_since(const Prefix& prefix) const;

private:
    struct ByPrefix {
        using type = Prefix;
        Prefix operator()(const Claim& claim) const { return claim.prefix(); }
    };

    [[nodiscard]] bool is_late(const Word& word) const;
    Claim& claim_at(const Prefix& prefix);
    // Who has the claim from now on.
    static void give(Claim& claim, Holder* holder);
    void take_narrower(const Word& word, std::vector<HolderChange>& changes);
    void remember(const Claim& claim);
    void erase(Claim& claim);
    // Calls `visit` with the claims of the prefix and of those that cover it, the longest first, until it
    // says true.
    void up_from(const Prefix& prefix, const std::function<bool(const Claim&)>& visit) const;

    std::size_t most_past_;
    boost::intrusive::set<Claim, boost::intrusive::key_of_value<ByPrefix>> tree_;
    std::map<std::pair<Family, int>, std::size_t> lengths_;  // of all claims: how many of each
    // Those that are over, the oldest first. Some are no more, or are another's now.
    std::deque<std::pair<Prefix, Moment>> past_;
};

}  // namespace sekisho::subscribers
