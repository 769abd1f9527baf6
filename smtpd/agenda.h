// SPDX-License-Identifier: Apache-2.0
// Which deliveries begin: what is due, as far as there is room for it. Knows no clock, no socket and no
// spool.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "smtpd/spool/spool.h"

namespace sekisho {

// What shares a way out, and its limit of deliveries, is a lane: a domain, or everything that isn't local
// where there is a smarthost.
class Agenda {
public:
    // Recipients of one message who travel together: those in one lane.
    using Group = std::vector<spool::Waiting>;
    using Time = std::chrono::steady_clock::time_point;
    struct Delivery {
        std::string lane;
        Group group;
    };
    // As SpoolReader::due(), at the present time.
    using Due = std::function<std::vector<spool::Waiting>(
        std::size_t limit, const std::vector<std::string>& domains, spool::SpoolReader::Pick pick)>;

    // `config` outlives it.
    explicit Agenda(const RelayConfig& config) : config_(config) {}

    // What is to be begun now; each is under way until leave(), and its recipients are known until end().
    // What has been found, but had no room, is begun later without being looked for again: whoever begins a
    // delivery looks whether its recipients still wait.
    [[nodiscard]] std::vector<Delivery> begin(const Due& due);
    // It takes no place on its way out any more, since `now`.
    void leave(const Delivery& delivery, Time now);
    // Behind leave(): what has become of it is written down.
    void end(const Delivery& delivery);

    // Whether others are known to wait for this way out; or are to be expected, since one has gone it shortly
    // before.
    [[nodiscard]] bool others_follow(std::string_view lane, Time now) const;
    [[nodiscard]] std::size_t under_way() const { return under_way_; }

private:
    [[nodiscard]] bool is_local(std::string_view lane) const;
    [[nodiscard]] std::string_view lane_of(const spool::Waiting& waiting) const;
    [[nodiscard]] bool has_room(std::string_view lane) const;
    void note_left(const std::string& lane, Time now);
    void start(Delivery delivery, std::vector<Delivery>& begun);
    [[nodiscard]] std::vector<spool::Waiting> look(const Due& due, std::size_t limit) const;
    [[nodiscard]] bool find_more(const Due& due, std::vector<Delivery>& begun);
    [[nodiscard]] std::vector<Delivery> groups_of(const std::vector<spool::Waiting>& due) const;

    const RelayConfig& config_;
    std::list<Delivery> found_;     // had no room; the longest waiting first
    std::set<std::int64_t> taken_;  // recipients in found_, or begun and not at their end
    std::map<std::string, std::size_t, std::less<>> busy_;  // deliveries by lane
    std::map<std::string, Time, std::less<>> left_;         // when the last has left each lane, of late
    Time swept_{};                                          // when the others were forgotten
    std::size_t under_way_ = 0;
    std::size_t abroad_ = 0;      // of these, to other than local domains
    std::size_t recipients_ = 0;  // begun, and not at their end
    std::size_t unwritten_ = 0;   // of these, those whose delivery has left its place
};

}  // namespace sekisho
