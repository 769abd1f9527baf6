// SPDX-License-Identifier: Apache-2.0
// Limits of deliveries, and what waits for them.
#include "smtpd/agenda.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sekisho {

namespace {

constexpr std::size_t most_looked_at = 100;
// Recipients whose mail has left, and nobody has written it down: should that be impossible, no more shall
// leave that would be sent again after the next start.
constexpr std::size_t most_unwritten = 1000;
// As long as an open connection is kept for who comes next.
constexpr std::chrono::seconds shortly{2};
constexpr std::string_view to_smarthost;  // the lane: no domain has this name

}  // namespace

// Mail for local domains doesn't wait for places that strangers' hosts hold.
bool Agenda::is_local(std::string_view lane) const {
    return config_.local_for(lane) != nullptr;
}

std::string_view Agenda::lane_of(const spool::Waiting& waiting) const {
    return config_.smarthost && !is_local(waiting.domain) ? to_smarthost : std::string_view(waiting.domain);
}

bool Agenda::has_room(std::string_view lane) const {
    const auto busy = busy_.find(lane);
    return (busy == busy_.end() || busy->second < config_.deliveries_per_host) &&
           (abroad_ < config_.deliveries || is_local(lane));
}

bool Agenda::others_follow(std::string_view lane, Time now) const {
    const auto left = left_.find(lane);
    return (left != left_.end() && now - left->second <= shortly) ||
           std::ranges::find(found_, lane, &Delivery::lane) != found_.end();
}

void Agenda::note_left(const std::string& lane, Time now) {
    if (now - swept_ > shortly) {
        std::erase_if(left_, [now](const auto& each) { return now - each.second > shortly; });
        swept_ = now;
    }
    left_[lane] = now;
}

void Agenda::start(Delivery delivery, std::vector<Delivery>& begun) {
    under_way_++;
    abroad_ += is_local(delivery.lane) ? 0U : 1U;
    recipients_ += delivery.group.size();
    busy_[delivery.lane]++;
    begun.push_back(std::move(delivery));
}

void Agenda::leave(const Delivery& delivery, Time now) {
    note_left(delivery.lane, now);
    under_way_--;
    abroad_ -= is_local(delivery.lane) ? 0U : 1U;
    unwritten_ += delivery.group.size();
    const auto busy = busy_.find(delivery.lane);
    if (--busy->second == 0) {
        busy_.erase(busy);
    }
}

void Agenda::end(const Delivery& delivery) {
    recipients_ -= delivery.group.size();
    unwritten_ -= delivery.group.size();
    for (const spool::Waiting& waiting : delivery.group) {
        taken_.erase(waiting.recipient);
    }
}

std::vector<Agenda::Delivery> Agenda::begin(const Due& due) {
    std::vector<Delivery> begun;
    if (unwritten_ >= most_unwritten) {
        return begun;
    }
    for (auto each = found_.begin(); each != found_.end();) {
        const auto next = std::next(each);
        if (has_room(each->lane)) {
            start(std::move(*each), begun);
            found_.erase(each);
        }
        each = next;
    }
    // Those who were looked at may all be of one lane, which then has all the deliveries it may have:
    // another look finds who stands behind them.
    while (find_more(due, begun)) {
    }
    return begun;
}

// In lanes that have room. Whoever is in found_ has none.
std::vector<spool::Waiting> Agenda::look(const Due& due, std::size_t limit) const {
    std::vector<std::string> full;
    for (const auto& [lane, count] : busy_) {
        if (count >= config_.deliveries_per_host) {
            full.push_back(lane);
        }
    }
    if (abroad_ < config_.deliveries && std::ranges::find(full, to_smarthost) == full.end()) {
        return due(limit, full, spool::SpoolReader::Pick::without);
    }
    std::vector<std::string> free;  // there is no way out but to these
    for (const LocalConfig& local : config_.local) {
        std::ranges::copy_if(local.domains, std::back_inserter(free), [&full](const std::string& domain) {
            return std::ranges::find(full, domain) == full.end();
        });
    }
    return free.empty() ? std::vector<spool::Waiting>() : due(limit, free, spool::SpoolReader::Pick::only);
}

// Whether another look may find more.
bool Agenda::find_more(const Due& due, std::vector<Delivery>& begun) {
    // Those begun in lanes with room are still due.
    const std::size_t limit = recipients_ + most_looked_at;
    const std::vector<spool::Waiting> rows = look(due, limit);
    const std::size_t before = begun.size();
    for (Delivery& each : groups_of(rows)) {
        for (const spool::Waiting& waiting : each.group) {
            taken_.insert(waiting.recipient);
        }
        if (has_room(each.lane)) {
            start(std::move(each), begun);
        } else {
            found_.push_back(std::move(each));
        }
    }
    return rows.size() == limit && begun.size() > before;
}

// In the order of their first recipients, without those who are taken.
std::vector<Agenda::Delivery> Agenda::groups_of(const std::vector<spool::Waiting>& due) const {
    std::vector<Delivery> groups;
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> places;
    for (const spool::Waiting& waiting : due) {
        if (taken_.contains(waiting.recipient)) {
            continue;
        }
        const std::string_view lane = lane_of(waiting);
        const auto [place, is_new] = places.try_emplace({waiting.id, lane}, groups.size());
        if (is_new) {
            groups.push_back({.lane = std::string(lane), .group = {}});
        }
        groups[place->second].group.push_back(waiting);
    }
    return groups;
}

}  // namespace sekisho
