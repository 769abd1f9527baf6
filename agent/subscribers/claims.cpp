// SPDX-License-Identifier: Apache-2.0
// There is one claim for each prefix, the latest. What it can't tell any more, nobody needs: the claims it
// has overtaken would lose against it, too.
#include "agent/subscribers/claims.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace sekisho::subscribers {

namespace {

std::uint64_t number_of(const Holder* holder) {
    return holder == nullptr ? 0 : holder->number;
}

void note(const Prefix& prefix, std::uint64_t before, std::uint64_t after,
          std::vector<HolderChange>& changes) {
    if (before != after) {
        changes.push_back({.prefix = prefix, .before = before, .after = after});
    }
}

}  // namespace

std::vector<Prefix> Holder::prefixes() const {
    std::vector<Prefix> prefixes;
    for (const Claim& claim : claims_) {
        prefixes.push_back(claim.prefix());
    }
    std::ranges::sort(prefixes);
    return prefixes;
}

std::vector<std::chrono::sys_seconds> Holder::held_since() const {
    std::vector<std::pair<Prefix, Moment>> held;
    for (const Claim& claim : claims_) {
        held.emplace_back(claim.prefix(), claim.from);
    }
    std::ranges::sort(held);
    std::vector<std::chrono::sys_seconds> times;
    std::ranges::transform(held, std::back_inserter(times),
                           [](const auto& each) { return seconds_of(each.second); });
    return times;
}

Claims::~Claims() {
    tree_.clear_and_dispose(std::default_delete<Claim>());
}

void Claims::up_from(const Prefix& prefix, const std::function<bool(const Claim&)>& visit) const {
    const Family family = prefix.address.family;
    auto place = lengths_.upper_bound({family, prefix.length});
    while (place != lengths_.begin() && std::prev(place)->first.first == family) {
        --place;
        const int length = place->first.second;
        const auto found = tree_.find(Prefix{prefix.address.masked(length), length});
        if (found != tree_.end() && visit(*found)) {
            return;
        }
    }
}

const Holder* Claims::holder_of(const Prefix& prefix) const {
    const Holder* holder = nullptr;
    up_from(prefix, [&holder](const Claim& claim) {
        holder = claim.holder;
        return holder != nullptr;
    });
    return holder;
}

Moment Claims::held_since(const Prefix& prefix) const {
    Moment let_go;
    Moment since;
    up_from(prefix, [&](const Claim& claim) {
        if (claim.holder == nullptr) {
            let_go = std::max(let_go, claim.until);
            return false;
        }
        since = std::max(claim.from, let_go);
        return true;
    });
    return since;
}

bool Claims::is_late(const Word& word) const {
    bool late = false;
    up_from(word.prefix, [&](const Claim& claim) {
        const bool another = word.holder == nullptr || claim.holder != word.holder;
        // Who has a wider prefix says so again and again, and still means the rest of it.
        const Moment theirs = claim.length == word.prefix.length ? claim.time : claim.from;
        late = another && (theirs > word.time || (theirs == word.time && !word.first));
        return late;
    });
    return late;
}

Claim& Claims::claim_at(const Prefix& prefix) {
    if (const auto found = tree_.find(prefix); found != tree_.end()) {
        return *found;
    }
    auto claim = std::make_unique<Claim>();
    claim->address = prefix.address;
    claim->length = static_cast<std::uint8_t>(prefix.length);
    lengths_[{prefix.address.family, prefix.length}]++;
    tree_.insert(*claim);
    return *claim.release();  // the tree's now
}

void Claims::give(Claim& claim, Holder* holder) {
    if (claim.holder != nullptr) {
        claim.holder->claims_.remove_if([&claim](const Claim& each) { return &each == &claim; });
    }
    claim.holder = holder;
    if (holder != nullptr) {
        holder->claims_.push_front(claim);
    }
}

bool Claims::claim(const Word& word, std::vector<HolderChange>& changes) {
    if (is_late(word)) {
        return false;
    }
    const std::uint64_t before = number_of(holder_of(word.prefix));
    Claim& claim = claim_at(word.prefix);
    const bool again = claim.holder != nullptr && claim.holder == word.holder;
    claim.time = word.time;
    if (again) {
        return true;
    }
    claim.from = word.from.value_or(word.time);
    claim.until = std::max(claim.until, word.time);
    give(claim, word.holder);
    note(word.prefix, before, number_of(holder_of(word.prefix)), changes);
    take_narrower(word, changes);
    if (word.holder == nullptr) {
        remember(claim);
    }
    return true;
}

void Claims::take_narrower(const Word& word, std::vector<HolderChange>& changes) {
    const Address last = word.prefix.address.last(word.prefix.length);
    auto place = tree_.upper_bound(word.prefix);
    while (place != tree_.end() && place->address <= last) {
        Claim& claim = *place++;
        const bool another = claim.holder == nullptr || claim.holder != word.holder;
        if (!another || claim.time > word.time || (claim.time == word.time && !word.first)) {
            continue;
        }
        const Prefix prefix = claim.prefix();
        const std::uint64_t before = number_of(holder_of(prefix));
        give(claim, nullptr);
        erase(claim);
        note(prefix, before, number_of(holder_of(prefix)), changes);
    }
}

// Whole seconds: what comes in the same one as the end may have been before it.
void Claims::release(Holder& holder, Moment time, const std::function<bool(const Prefix&)>& over,
                     std::vector<HolderChange>& changes) {
    for (const Prefix& prefix : holder.prefixes()) {
        if (!over(prefix)) {
            continue;
        }
        Claim& claim = *tree_.find(prefix);
        claim.until = time + Moment::duration(1);
        give(claim, nullptr);
        note(prefix, holder.number, number_of(holder_of(prefix)), changes);
        remember(claim);
    }
}

void Claims::remember(const Claim& claim) {
    past_.emplace_back(claim.prefix(), claim.time);
    while (past_.size() > most_past_) {
        const auto [prefix, time] = past_.front();
        past_.pop_front();
        const auto found = tree_.find(prefix);
        if (found != tree_.end() && found->holder == nullptr && found->time == time) {
            erase(*found);
        }
    }
}

void Claims::erase(Claim& claim) {
    const auto length = lengths_.find({claim.address.family, claim.length});
    if (--length->second == 0) {
        lengths_.erase(length);
    }
    tree_.erase_and_dispose(tree_.iterator_to(claim), std::default_delete<Claim>());
}

}  // namespace sekisho::subscribers
