// SPDX-License-Identifier: Apache-2.0
// What follows a grant that was used more often than it was good for, or that an operator revoked: an
// infected machine logs in again at once, with the password that its owner's mail program keeps.
#include <algorithm>
#include <ranges>

#include "agent/grants/grants.h"

namespace sekisho::grants {

std::string_view to_string(CoolDownCause cause) {
    return cause == CoolDownCause::overrun ? "overrun" : "revoked";
}

Actions Grants::overrun(const Prefix& key, std::uint32_t generation, const Now& now) {
    Actions actions;
    const auto place = holdings_.find(key);
    if (place == holdings_.end() || !place->second.alive(now) || place->second.generation != generation) {
        return actions;
    }
    boot_ = now.boot;
    const std::string user = place->second.user;
    drop_grant(place, Flows::go_on, actions);
    begin_cool_down(key, CoolDownCause::overrun, user, now, actions);
    return actions;
}

void Grants::begin_cool_down(const Prefix& key, CoolDownCause cause, const std::string& user, const Now& now,
                             Actions& actions) {
    const std::chrono::seconds time = rules_.get().cool_down;
    if (time == std::chrono::seconds::zero()) {
        return;
    }
    const CoolDown cool_down{.key = key,
                             .cause = cause,
                             .user = user,
                             .until = now.boottime + time,
                             .until_wall = now.wall + time,
                             .since = now.wall,
                             .boot = now.boot};
    cool_downs_.insert_or_assign(key, cool_down);
    actions.emplace_back(SaveCoolDown{cool_down});
}

// Takes up a stored one; never longer than it was, and never longer than they are today.
void Grants::resume(const CoolDown& cool_down, const Now& now, Actions& on_disk) {
    const bool this_boot = !now.boot.empty() && cool_down.boot == now.boot;
    const BootTime left = std::min<BootTime>(
        this_boot ? cool_down.until - now.boottime : cool_down.until_wall - now.wall, rules_.get().cool_down);
    if (left <= BootTime::zero() || !placements_.place_key(cool_down.key)) {
        on_disk.emplace_back(ForgetCoolDown{cool_down.key});
        return;
    }
    CoolDown taken = cool_down;
    taken.until = now.boottime + left;
    taken.until_wall = now.wall + left;
    taken.boot = now.boot;
    cool_downs_.insert_or_assign(cool_down.key, taken);
    if (!this_boot || taken.until != cool_down.until) {
        on_disk.emplace_back(SaveCoolDown{taken});
    }
}

void Grants::sweep_cool_downs(const Now& now, Actions& actions) {
    for (auto each = cool_downs_.begin(); each != cool_downs_.end();) {
        if (each->second.until > now.boottime) {
            ++each;
            continue;
        }
        actions.emplace_back(ForgetCoolDown{each->first});
        each = cool_downs_.erase(each);
    }
}

std::vector<CoolDown> Grants::cool_downs(const Now& now) const {
    std::vector<CoolDown> alive;
    for (const CoolDown& each : cool_downs_ | std::views::values) {
        if (each.until > now.boottime) {
            alive.push_back(each);
        }
    }
    return alive;
}

std::optional<CoolDown> Grants::cool_down_of(const Address& address, const Now& now) const {
    const auto placement = placements_.place(address);
    const auto found = placement ? cool_downs_.find(placement->key) : cool_downs_.end();
    if (found == cool_downs_.end() || found->second.until <= now.boottime) {
        return std::nullopt;
    }
    return found->second;
}

}  // namespace sekisho::grants
