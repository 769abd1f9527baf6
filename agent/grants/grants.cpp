// SPDX-License-Identifier: Apache-2.0
// Grants: opening, renewing, ending. The rules that an operator can be told.
#include "agent/grants/grants.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "agent/base/time_text.h"

namespace sekisho::grants {

Grants::Grants(const Config& config, std::pmr::memory_resource* memory)
    : rules_(config.grants), placements_(config.pools), holdings_(memory) {}

std::optional<Placement> Grants::place(const Address& address) const {
    return placements_.place(address);
}

// The placement of an address that a grant may be given to.
Result<Placement> Grants::openable(const GrantRequest& request, const Now& now) const {
    const Address& address = request.address;
    const auto found = placements_.place(address);
    if (!found) {
        return fail(Failure::refused, address.text() + " lies in no pool",
                    "if it is a subscriber's, add its prefix to a [[pool]] of the configuration");
    }
    if (found->pool->shared) {
        return fail(Failure::refused,
                    address.text() + " is shared by many subscribers (pool \"" + found->pool->name +
                        "\"): a grant would open port 25 for all of them",
                    "its users send through the submission server, ports 587 and 465");
    }
    if (const auto quarantined = quarantine_of(address)) {
        return fail(Failure::refused,
                    quarantined->key.text() + " is quarantined" +
                        (quarantined->note.empty() ? "" : ": " + quarantined->note),
                    "`sekisho quarantine remove " + address.text() + "` ends it");
    }
    if (const auto cooling = cool_down_of(address, now); cooling && !request.ends_cool_down) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(cooling->until - now.boottime);
        const bool overrun = cooling->cause == CoolDownCause::overrun;
        return fail(Failure::refused,
                    found->key.text() +
                        (overrun ? " opened more connections than its grant was good for: no login "
                                 : " has had its grant revoked by an operator: no login ") +
                        "opens port 25 for it for another " + duration_text(left),
                    std::string(overrun ? "look for an infected machine there; " : "") +
                        "`sekisho grant add` opens it at once");
    }
    return *found;
}

Result<std::uint32_t> Grants::budget_of(const GrantRequest& request) const {
    const std::uint32_t budget = request.budget.value_or(rules_.get().budget);
    if (budget > largest_budget) {
        return fail(Failure::invalid, "a budget of " + std::to_string(budget) + " connections is too large",
                    "ask for at most " + std::to_string(largest_budget) + ", or for 0: any number");
    }
    return budget;
}

Result<std::chrono::seconds> Grants::term(const GrantRequest& request) const {
    const std::chrono::seconds term = request.lifetime.value_or(rules_.get().lifetime);
    const std::chrono::seconds longest = rules_.get().longest;
    if (term <= std::chrono::seconds::zero()) {
        return fail(Failure::invalid, "a grant of no time opens nothing",
                    "ask for 1s to " + duration_text(longest));
    }
    if (term > longest) {
        return fail(
            Failure::invalid,
            "a grant of " + duration_text(term) + " is longer than the longest allowed, " +
                duration_text(longest),
            "ask for less, or raise `longest` in [grants] of the configuration; who is always allowed "
            "gets an exemption");
    }
    return term;
}

// One that no key had before, even if its entry is long forgotten: a flow recorded under the old holder must
// not fit the new one. So it grows at least as fast as the clock (in tenths of a second), which carries it
// over a start of the agent that finds nothing, as long as fewer than ten new grants a second came before it.
std::uint32_t Grants::next_generation(const Now& now) {
    const auto tenths =
        std::chrono::duration_cast<std::chrono::duration<std::int64_t, std::deci>>(now.boottime).count();
    const auto clock = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(tenths, 1, std::numeric_limits<std::uint32_t>::max() / 2));
    const bool last_possible = generation_ == std::numeric_limits<std::uint32_t>::max();
    generation_ = last_possible ? clock : std::max(generation_ + 1, clock);
    return generation_;
}

const Grants::Shared& Grants::nothing() {
    static const Shared word;
    return word;
}

Grants::Holding& Grants::hold(const Prefix& key) {
    const auto place = holdings_.try_emplace(key).first;
    place->second.key = &place->first;
    return place->second;
}

void Grants::set_end(Holding& holding, BootTime expires) {
    if (holding.granted) {
        by_end_.erase(by_end_.iterator_to(holding));
    }
    holding.granted = true;
    holding.expires = expires;
    by_end_.insert(by_end_.end(), holding);  // mostly the last to end
}

void Grants::set_user(Holding& holding, const std::string& user) {
    if (!holding.user.empty()) {
        by_user_.erase(by_user_.iterator_to(holding));
    }
    holding.user = user;
    if (!user.empty()) {
        by_user_.insert(holding);
    }
}

std::size_t Grants::keys_of(const std::string& user, std::size_t most, const Now& now) const {
    std::size_t keys = 0;
    const auto [begin, end] = by_user_.equal_range(user);
    for (auto each = begin; each != end && keys < most; ++each) {
        keys += each->alive(now) ? 1U : 0U;
    }
    return keys;
}

// A stolen password is used from many places at once.
Result<void> Grants::within_users_keys(const GrantRequest& request, const Prefix& key, const Now& now) const {
    const std::uint32_t most = request.addresses_per_user;
    if (most == 0) {
        return {};
    }
    const auto place = holdings_.find(key);
    const bool has_this_one = place != holdings_.end() && place->second.alive(now) &&
                              folded(place->second.user) == folded(request.user);
    if (has_this_one || keys_of(request.user, most, now) < most) {
        return {};
    }
    return fail(Failure::refused,
                "user \"" + request.user + "\" has " + std::to_string(most) +
                    (most == 1 ? " address" : " addresses") + " open already, as many as one user may",
                "`sekisho grant list` shows them; many at once can mean a stolen password, else raise "
                "addresses_per_user in [grants]");
}

// Takes the grant out of a holding; what the kernel and the store have to do is appended. The kernel comes
// first: a grant that has ended must not live on because the disk is slow.
void Grants::drop_grant(Holdings::iterator place, Flows flows, Actions& actions,
                        std::optional<std::uint32_t> generation) {
    const Prefix key = place->first;
    Holding& holding = place->second;
    const ForgetGrant forgotten{.key = key, .generation = holding.generation};
    const bool has_entry = holding.has_entry();
    by_end_.erase(by_end_.iterator_to(holding));
    set_user(holding, {});
    if (holding.stands_without_grant()) {
        Holding rest;
        rest.key = holding.key;
        rest.exempt = holding.exempt;
        rest.contract = holding.contract;
        rest.quarantined = holding.quarantined;
        rest.generation = generation.value_or(holding.generation);
        holding = std::move(rest);
        actions.emplace_back(PutEntry{entry_of(key, holding)});
    } else {
        holdings_.erase(place);
        if (flows == Flows::end) {  // those of earlier grants, too
            actions.emplace_back(RemoveEntry{key});
        } else if (has_entry) {
            actions.emplace_back(RetireEntry{key});
        }
    }
    actions.emplace_back(forgotten);
}

namespace {

// How long ago a lifetime began. Less than a second is none, since stamps in logs tell no more; nor is the
// future, which is another clock's.
std::chrono::nanoseconds age_of(const GrantRequest& request, const Now& now) {
    const std::chrono::nanoseconds age =
        request.from ? now.wall - *request.from : std::chrono::nanoseconds(0);
    return age < std::chrono::seconds(1) ? std::chrono::nanoseconds(0) : age;
}

}  // namespace

void Grants::tell_kernel(Holdings::iterator place, Actions& actions) {
    const Prefix key = place->first;
    actions.emplace_back(place->second.has_entry() ? Action(PutEntry{entry_of(key, place->second)})
                                                   : Action(RemoveEntry{key}));
    if (!place->second.in_use()) {
        holdings_.erase(place);
    }
}

Result<Grants::Asked> Grants::asked(const GrantRequest& request, const Now& now) const {
    const auto placement = openable(request, now);
    if (!placement) {
        return std::unexpected(placement.error());
    }
    const auto lifetime = term(request);
    if (!lifetime) {
        return std::unexpected(lifetime.error());
    }
    const auto budget = budget_of(request);
    if (!budget) {
        return std::unexpected(budget.error());
    }
    if (request.from && *request.from > now.wall + farthest_ahead) {
        return fail(Failure::refused, "the login's time lies in the future",
                    "compare the clocks of the box and of the reporter");
    }
    const std::chrono::nanoseconds age = age_of(request, now);
    if (age >= *lifetime) {
        return fail(Failure::refused, "the login was longer ago than a grant lasts",
                    "compare the clocks of the box and of the reporter");
    }
    if (auto within = within_users_keys(request, placement->key, now); !within) {
        return std::unexpected(within.error());
    }
    return Asked{.key = placement->key, .lifetime = *lifetime, .age = age, .budget = *budget};
}

Scope Grants::moved_by(const GrantRequest& request, const Asked& asked_for, const Holding& holding,
                       const Now& now) {
    const auto moves = [&](BootTime end) {
        const BootTime lifetime = asked_for.lifetime;
        const BootTime gain = end > now.boottime ? now.boottime + lifetime - asked_for.age - end : lifetime;
        return gain > BootTime::zero() && (!request.by_login || 2 * gain >= lifetime);
    };
    return {.edge = request.scope.edge && moves(holding.edge_expires),
            .relay = request.scope.relay && moves(holding.relay_expires)};
}

Result<std::shared_ptr<const Grant>> Grants::open(const GrantRequest& request, const Now& now,
                                                  Actions& actions) {
    const auto asked_for = asked(request, now);
    if (!asked_for) {
        return std::unexpected(asked_for.error());
    }
    boot_ = now.boot;
    const Prefix& key = asked_for->key;
    Holding& holding = hold(key);
    Scope moved = moved_by(request, *asked_for, holding, now);
    if (!moved.edge && !moved.relay) {
        return shared_grant(key, holding);
    }
    // Mail is sent in a user's name: what one has opened for the relay isn't another's.
    if (!moved.relay && holding.alive(now) && folded(holding.user) != folded(request.user)) {
        set_ends(holding, holding.edge_expires, {});
        moved = moved_by(request, *asked_for, holding, now);
    }
    const ForgetGrant before{.key = key, .generation = holding.generation};
    const bool fresh = !holding.alive(now);
    const bool over = holding.granted && fresh;  // and not swept yet
    const bool had_entry = holding.has_entry();
    begin_or_renew(holding, *asked_for, moved, now);
    holding.source = sources_(request.source);
    set_user(holding, request.user);
    holding.reason = reasons_(request.reason);
    if (moved.edge) {
        KernelEntry entry = entry_of(key, holding);
        entry.renewed = true;
        actions.emplace_back(PutEntry{entry});
    } else if (fresh && had_entry) {  // perhaps of the grant that is over
        actions.emplace_back(holding.has_entry() ? Action(PutEntry{entry_of(key, holding)})
                                                 : Action(RetireEntry{key}));
    }
    if (over) {
        actions.emplace_back(before);
    }
    auto granted = shared_grant(key, holding);
    actions.emplace_back(SaveGrant{.grant = granted, .fresh = fresh});
    if (moved.edge && cool_downs_.erase(key) != 0) {
        actions.emplace_back(ForgetCoolDown{key});
    }
    return granted;
}

void Grants::begin_or_renew(Holding& holding, const Asked& asked_for, const Scope& moved, const Now& now) {
    const bool fresh = !holding.alive(now);
    if (fresh) {
        holding.edge_expires = {};
        holding.relay_expires = {};
        holding.generation = next_generation(now);
        // Not later than the login: who has the address since then inherits nothing.
        holding.since = now.wall - std::max<std::chrono::nanoseconds>(asked_for.age - stamps_differ, {});
    }
    const BootTime end = now.boottime + asked_for.lifetime - asked_for.age;
    set_ends(holding, moved.edge ? end : holding.edge_expires, moved.relay ? end : holding.relay_expires);
    if (fresh || moved.edge) {
        holding.budget = asked_for.budget;
    }
    holding.renewed = now.wall;
    holding.expires_wall = now.wall + (holding.expires - now.boottime);
}

void Grants::set_ends(Holding& holding, BootTime edge, BootTime relay) {
    holding.edge_expires = edge;
    holding.relay_expires = relay;
    set_end(holding, std::max(edge, relay));
}

Actions Grants::give_up_edge(const Address& address, const Now& now) {
    Actions actions;
    const auto placement = placements_.place(address);
    const auto place = placement ? holdings_.find(placement->key) : holdings_.end();
    if (place == holdings_.end() || !place->second.alive(now)) {
        return actions;
    }
    Holding& holding = place->second;
    if (holding.relay_expires <= now.boottime) {
        drop_grant(place, Flows::go_on, actions);
        return actions;
    }
    set_ends(holding, {}, holding.relay_expires);
    holding.expires_wall = now.wall + (holding.expires - now.boottime);
    actions.emplace_back(SaveGrant{.grant = shared_grant(place->first, holding)});
    return actions;
}

Result<Actions> Grants::revoke(const Address& address, const Now& now, Flows flows, After after) {
    const auto placement = placements_.place(address);
    const auto place = placement ? holdings_.find(placement->key) : holdings_.end();
    if (!placement || place == holdings_.end() || !place->second.alive(now)) {
        return fail(Failure::not_found,
                    address.text() + " has no grant" + (placement ? "" : ": it lies in no pool"),
                    "see `sekisho grant list`; `sekisho why " + address.text() +
                        "` says whether and why its port 25 is open");
    }
    Actions actions;
    const std::string user = place->second.user;
    drop_grant(place, flows, actions);
    if (after == After::cool_down) {
        begin_cool_down(placement->key, CoolDownCause::revoked, user, now, actions);
    }
    return actions;
}

Actions Grants::end_connections(const Address& address, const Now& now, After after) {
    Actions actions;
    const auto placement = placements_.place(address);
    if (!placement) {
        return actions;
    }
    // An overrun stays the cause of a cool-down that is there already.
    const auto cooling = cool_downs_.find(placement->key);
    CoolDownCause cause = cooling == cool_downs_.end() ? CoolDownCause::revoked : cooling->second.cause;
    std::string user = cooling == cool_downs_.end() ? "" : cooling->second.user;
    const auto place = holdings_.find(placement->key);
    if (place == holdings_.end()) {
        actions.emplace_back(RemoveEntry{placement->key});
    } else if (place->second.granted) {  // over, and not swept yet
        cause = CoolDownCause::revoked;
        user = place->second.user;
        drop_grant(place, Flows::end, actions, next_generation(now));
    } else {
        place->second.generation = next_generation(now);
        actions.emplace_back(PutEntry{entry_of(placement->key, place->second)});
    }
    if (after == After::cool_down) {
        begin_cool_down(placement->key, cause, user, now, actions);
    }
    return actions;
}

Actions Grants::sweep(const Now& now) {
    Actions actions;
    while (!by_end_.empty() && by_end_.begin()->expires <= now.boottime) {
        drop_grant(holdings_.find(*by_end_.begin()->key), Flows::go_on, actions);
    }
    sweep_cool_downs(now, actions);
    return actions;
}

namespace {

std::optional<std::chrono::nanoseconds> before_end(BootTime end, BootTime earlier) {
    return earlier > BootTime::zero() ? std::optional(end - earlier) : std::nullopt;
}

}  // namespace

Grant Grants::grant_of(const Prefix& key, const Holding& holding) const {
    const auto placement = placements_.place(key.address);
    return Grant{.key = key,
                 .pool = placement ? placement->pool->name : std::string(),
                 .source = holding.source,
                 .user = holding.user,
                 .reason = holding.reason,
                 .since = holding.since,
                 .renewed = holding.renewed,
                 .expires = holding.expires,
                 .expires_wall = holding.expires_wall,
                 .boot = boot_,
                 .generation = holding.generation,
                 .budget = holding.budget,
                 .edge_before = before_end(holding.expires, holding.edge_expires),
                 .relay_before = before_end(holding.expires, holding.relay_expires)};
}

std::shared_ptr<const Grant> Grants::shared_grant(const Prefix& key, const Holding& holding) const {
    return std::make_shared<const Grant>(grant_of(key, holding));
}

KernelEntry Grants::entry_of(const Prefix& key, const Holding& holding) {
    const bool granted = holding.granted && holding.edge_expires > BootTime::zero();
    return KernelEntry{.key = key,
                       .exempt = holding.exempt || holding.contract,
                       .contract = holding.contract && !holding.exempt,
                       .granted = granted,
                       .quarantined = holding.quarantined,
                       .expires = granted ? holding.edge_expires : BootTime::zero(),
                       .generation = holding.generation,
                       .budget = holding.budget};
}

std::vector<Grant> Grants::list(const Now& now) const {
    std::vector<Grant> grants;
    for (const auto& [key, holding] : holdings_) {
        if (holding.alive(now)) {
            grants.push_back(grant_of(key, holding));
        }
    }
    return grants;
}

GrantPage Grants::page(const GrantFilter& filter, std::size_t count, const Now& now) const {
    GrantPage page;
    auto place = filter.after ? holdings_.upper_bound(*filter.after) : holdings_.begin();
    if (filter.within) {
        const auto around = placements_.place(filter.within->address);
        const bool narrow = around && around->key.contains(*filter.within);
        const Prefix first{.address = narrow ? around->key.address : filter.within->address, .length = 0};
        if (!filter.after || *filter.after < first) {
            place = holdings_.lower_bound(first);
        }
    }
    std::size_t looked_at = 0;
    std::optional<Prefix> last;
    for (; place != holdings_.end(); ++place) {
        const auto& [key, holding] = *place;
        if (filter.within && !filter.within->overlaps(key)) {
            break;  // they stand together
        }
        if (page.grants.size() == count || looked_at++ == most_looked_at) {
            page.next = last;
            break;
        }
        last = key;
        if (holding.alive(now) && (filter.user.empty() || holding.user == filter.user) &&
            (filter.source.empty() || holding.source.get() == filter.source)) {
            page.grants.push_back(grant_of(key, holding));
        }
    }
    return page;
}

std::size_t Grants::count(const Now& now) const {
    // What has ended and is not swept yet is little.
    std::size_t ended = 0;
    for (auto each = by_end_.begin(); each != by_end_.end() && each->expires <= now.boottime; ++each) {
        ended++;
    }
    return by_end_.size() - ended;
}

std::optional<Grant> Grants::find(const Address& address, const Now& now) const {
    const auto placement = placements_.place(address);
    const auto place = placement ? holdings_.find(placement->key) : holdings_.end();
    if (place == holdings_.end() || !place->second.alive(now)) {
        return std::nullopt;
    }
    return grant_of(place->first, place->second);
}

}  // namespace sekisho::grants
