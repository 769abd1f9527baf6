// SPDX-License-Identifier: Apache-2.0
// The start: what the store remembers and what the kernel holds become one truth again, and nothing gets
// longer.
//
// Of grants the kernel's word counts, because it has gone on judging packets meanwhile. Of exemptions the
// store's counts: they are written to the disk before the kernel hears of them, so what the disk lacks was
// removed.
#include <algorithm>
#include <iterator>

#include "agent/grants/grants.h"

namespace sekisho::grants {

namespace {

// How much time a stored grant had left when its end was last set; a damaged one had none.
BootTime given(const Grant& grant) {
    const bool can_be = WallTime() <= grant.renewed && grant.renewed <= grant.expires_wall;
    return can_be ? grant.expires_wall - grant.renewed : BootTime::zero();
}

// How much time a part of a stored grant has left that the kernel doesn't hold; nothing if it has ended or
// its times can't be believed: a clock that is wrong must not make it longer.
std::optional<BootTime> time_left(const Grant& grant, const std::optional<std::chrono::nanoseconds>& before,
                                  const std::optional<Now>& seen, const Now& now) {
    if (!before) {
        return std::nullopt;
    }
    // A boot id that couldn't be read proves nothing.
    if (!now.boot.empty() && grant.boot == now.boot) {
        return grant.expires - *before - now.boottime;
    }
    if (seen && now.wall < seen->wall) {
        return std::nullopt;
    }
    if (seen && !seen->boot.empty() && grant.boot == seen->boot) {
        const BootTime left = grant.expires - seen->boottime - (now.wall - seen->wall);
        return std::min(left, given(grant)) - *before;
    }
    // A beginning in the future means that a clock was wrong then or is wrong now: the grant would last
    // longer than it was given for.
    if (std::max(grant.since, grant.renewed) > now.wall || grant.expires_wall <= now.wall) {
        return std::nullopt;
    }
    return grant.expires_wall - *before - now.wall;
}

// The wall clock's moment for the next boot; a damaged end doesn't become a promise of years.
WallTime wall_end(BootTime end, const Now& now, std::chrono::seconds longest) {
    return now.wall + std::min<BootTime>(end - now.boottime, longest);
}

// Whether the kernel would judge by both alike, and an agent that has lost its store, too.
bool same_effect(const KernelEntry& one, const KernelEntry& other) {
    return one.exempt == other.exempt && one.contract == other.contract && one.granted == other.granted &&
           one.quarantined == other.quarantined &&
           (!one.granted || (one.expires == other.expires && one.generation == other.generation));
}

bool is_for_the_disk(const Action& action) {
    return !std::holds_alternative<PutEntry>(action) && !std::holds_alternative<RetireEntry>(action);
}

}  // namespace

KernelEntries::KernelEntries(std::vector<KernelEntry> entries) : entries_(std::move(entries)) {
    std::ranges::sort(entries_, {}, &KernelEntry::key);
}

const KernelEntry* KernelEntries::find(const Prefix& key) const {
    const auto found = std::ranges::lower_bound(entries_, key, {}, &KernelEntry::key);
    return found != entries_.end() && found->key == key ? &*found : nullptr;
}

Result<Actions> Grants::take_over(const Stored& stored, const StoredGrants& grants,
                                  const KernelEntries& kernel, const Now& now) {
    forget_all();
    boot_ = now.boot;
    for (const KernelEntry& entry : kernel.all()) {
        generation_ = std::max(generation_, entry.generation);
    }
    for (const Exemption& exemption : stored.exemptions) {
        Placement placement;
        if (exemptions_.emplace(exemption.prefix, exemption).second) {
            enforce(exemption.prefix, placement);
        }
    }
    Actions on_disk;
    for (const Quarantine& quarantine : stored.quarantines) {
        quarantines_.insert_or_assign(quarantine.key, quarantine);
        if (placements_.place_key(quarantine.key)) {
            hold(quarantine.key).quarantined = true;
        }
    }
    if (stored.lost) {
        for (const KernelEntry& entry : kernel.all()) {
            adopt_orders(entry, now, on_disk);
        }
    }
    for (const CoolDown& cool_down : stored.cool_downs) {
        resume(cool_down, now, on_disk);
    }
    const auto read = grants([&](const Grant& grant) {
        generation_ = std::max(generation_, grant.generation);
        resume(grant, kernel.find(grant.key), stored.seen, now, on_disk);
    });
    if (!read) {
        return std::unexpected(read.error());
    }
    for (const KernelEntry& entry : kernel.all()) {
        adopt(entry, now, on_disk);
    }
    for (const KernelEntry& entry : kernel.all()) {
        if (entry.overrun) {  // nobody was there to be told; what the kernel must do is reconcile()'s
            std::ranges::copy_if(overrun(entry.key, entry.generation, now), std::back_inserter(on_disk),
                                 is_for_the_disk);
        }
    }
    return on_disk;
}

void Grants::forget_all() {
    by_end_.clear();
    by_user_.clear();
    holdings_.clear();
    cool_downs_.clear();
    quarantines_.clear();
    exemptions_.clear();
    exempt_lengths_.clear();
    wide_.clear();
    generation_ = 0;
}

// Takes up a stored grant, with its ends as they are now, or has it forgotten.
void Grants::resume(const Grant& grant, const KernelEntry* entry, const std::optional<Now>& seen,
                    const Now& now, Actions& on_disk) {
    const auto placement = placements_.place_key(grant.key);
    const bool in_kernel = entry != nullptr && entry->granted && entry->generation == grant.generation;
    // Another generation in the kernel is another grant, which the store doesn't know yet: see adopt().
    const bool replaced = entry != nullptr && entry->granted && !in_kernel && entry->expires > now.boottime;
    const bool fits = placement && !placement->pool->shared && !replaced && !quarantines_.contains(grant.key);
    // What has ended is none, and the longest may have been lowered.
    const auto end_of = [&](const std::optional<BootTime>& left) {
        return fits && left && *left > BootTime::zero()
                   ? now.boottime + std::min<BootTime>(*left, rules_.get().longest)
                   : BootTime::zero();
    };
    const BootTime edge =
        end_of(in_kernel ? entry->expires - now.boottime : time_left(grant, grant.edge_before, seen, now));
    const BootTime relay = end_of(time_left(grant, grant.relay_before, seen, now));
    const BootTime end = std::max(edge, relay);
    if (!placement || end == BootTime::zero()) {
        on_disk.emplace_back(ForgetGrant{.key = grant.key, .generation = grant.generation});
        return;
    }
    Holding& holding = hold(grant.key);
    set_ends(holding, edge, relay);
    holding.generation = grant.generation;
    holding.budget = grant.budget;
    holding.since = grant.since;
    holding.renewed = grant.renewed;
    holding.expires_wall = grant.expires_wall;
    holding.source = sources_(grant.source);
    set_user(holding, grant.user);
    holding.reason = reasons_(grant.reason);
    const bool moved = grant.boot == now.boot && grant.expires != end;
    if (moved) {  // the store missed the last renewal
        holding.renewed = now.wall;
        holding.expires_wall = wall_end(end, now, rules_.get().longest);
    } else if (grant.boot != now.boot) {
        holding.renewed = now.wall;
        holding.expires_wall = now.wall + (end - now.boottime);
    }
    const auto stored = [&grant](const std::optional<std::chrono::nanoseconds>& before) {
        return before ? grant.expires - *before : BootTime::zero();
    };
    if (moved || grant.boot != now.boot || grant.pool != placement->pool->name ||
        edge != stored(grant.edge_before) || relay != stored(grant.relay_before)) {
        on_disk.emplace_back(SaveGrant{.grant = shared_grant(grant.key, holding)});
    }
}

// Takes up a grant that only the kernel knows: the agent died before the store had it, or the store was lost.
void Grants::adopt(const KernelEntry& entry, const Now& now, Actions& on_disk) {
    const auto placement = placements_.place_key(entry.key);
    if (!entry.granted || entry.expires <= now.boottime || !placement || placement->pool->shared ||
        quarantines_.contains(entry.key)) {
        return;
    }
    Holding& holding = hold(entry.key);
    if (holding.granted) {
        return;
    }
    const BootTime end = std::min<BootTime>(entry.expires, now.boottime + rules_.get().longest);
    set_ends(holding, end, {});
    holding.generation = entry.generation;
    holding.since = now.wall;
    holding.renewed = now.wall;
    holding.expires_wall = wall_end(end, now, rules_.get().longest);
    holding.source = sources_("kernel");
    holding.reason = reasons_("found in the kernel at start");
    on_disk.emplace_back(SaveGrant{.grant = shared_grant(entry.key, holding), .fresh = true});
}

// Takes up what an operator ordered for a key, from a kernel that is the only one to know; and a contract
// until its session, which isn't known either, is heard of.
void Grants::adopt_orders(const KernelEntry& entry, const Now& now, Actions& on_disk) {
    constexpr const char* note = "found in the kernel when the store was lost";
    if (!placements_.place_key(entry.key)) {
        return;
    }
    if (entry.quarantined) {
        const Quarantine quarantine{.key = entry.key, .note = note, .since = now.wall};
        quarantines_.insert_or_assign(entry.key, quarantine);
        hold(entry.key).quarantined = true;
        on_disk.emplace_back(SaveQuarantine{quarantine});
    }
    if (entry.contract) {
        hold(entry.key).contract = true;
    }
    const Exemption exemption{.prefix = entry.key, .note = note, .since = now.wall};
    const bool ordered = entry.exempt && !entry.contract;
    if (Placement placement; ordered && exemptions_.emplace(entry.key, exemption).second) {
        enforce(entry.key, placement);
        on_disk.emplace_back(SaveExemption{exemption});
    }
}

// Room is made first; an exemption is taken out of an entry only when the table has it, if that is where it
// lives now.
void Grants::reconcile(const KernelEntries& kernel, const std::function<void(const Action&)>& apply) {
    std::vector<Prefix> last;
    for (const KernelEntry& entry : kernel.all()) {
        // The kernel's key is the address alone: one of another length may have taken its place.
        const auto successor = holdings_.lower_bound(Prefix{entry.key.address, 0});
        const bool replaced = successor != holdings_.end() && successor->first.address == entry.key.address &&
                              successor->second.has_entry();
        if (!replaced && entry.exempt) {
            last.push_back(entry.key);
        } else if (!replaced) {
            apply(RetireEntry{entry.key});
        }
    }
    auto held = kernel.all().begin();  // both in the order of their keys
    for (auto& [key, holding] : holdings_) {
        if (!holding.has_entry()) {
            continue;
        }
        held = std::find_if(held, kernel.all().end(),
                            [&key](const KernelEntry& entry) { return entry.key >= key; });
        const bool known = held != kernel.all().end() && held->key == key;
        if (known && !holding.granted) {
            holding.generation = held->generation;
        }
        const KernelEntry wanted = entry_of(key, holding);
        if (!known || !same_effect(*held, wanted)) {
            apply(PutEntry{wanted});
        }
    }
    apply(wide_list());
    for (const Prefix& key : last) {
        apply(RetireEntry{key});
    }
}

}  // namespace sekisho::grants
