// SPDX-License-Identifier: Apache-2.0
// Hand-overs and contracts.
#include "agent/subscribers/consequences.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace sekisho::subscribers {

namespace {

using std::chrono::sys_seconds;

// Grants that were opened earlier are not the new holder's.
sys_seconds boundary(const HolderChange& change, const Changes& changes, const Sessions& sessions) {
    const bool began = std::ranges::find(changes.began, change.after) != changes.began.end();
    if (change.before == 0 && began) {
        if (const auto session = sessions.find(change.after)) {
            return session->since;
        }
    }
    return sessions.held_since(change.prefix);
}

void tell(const std::vector<grants::Grant>& ended, std::uint64_t session, const std::string& why,
          Consequences& consequences) {
    for (const grants::Grant& grant : ended) {
        consequences.ended.push_back({.grant = grant, .session = session, .why = why});
    }
}

void hand_over(const HolderChange& change, const Changes& changes, const Sessions& sessions,
               grants::Grants& grants, const grants::Now& now, Consequences& consequences) {
    const sys_seconds since = boundary(change, changes, sessions);
    const auto stays = [&](const Prefix& key, grants::WallTime opened) {
        if (change.prefix.contains(key) && sessions.holder_of(key) != change.after) {
            return true;  // who has a narrower prefix has not changed
        }
        return change.after != 0 && opened >= since;
    };
    const auto ended = grants.hand_over(change.prefix, stays, now, consequences.actions);
    tell(ended, change.before,
         change.after == 0 ? "the session that had the address has ended" : "another session has the address",
         consequences);
}

// A grant that was opened later is of a session that isn't known either. In one second, what comes later is
// later.
void end_before(const LetGo& letting_go, const Sessions& sessions, grants::Grants& grants,
                const grants::Now& now, Consequences& consequences) {
    const auto stays = [&](const Prefix& key, grants::WallTime opened) {
        return sessions.holder_of(key) != 0 || opened >= letting_go.time + std::chrono::seconds(1);
    };
    const auto ended = grants.hand_over(letting_go.prefix, stays, now, consequences.actions);
    tell(ended, 0, "a session that was not known has let go of the address", consequences);
}

class ContractKeeper {
public:
    ContractKeeper(const Sessions& sessions, const Contracts& contracts, grants::Grants& grants,
                   const Changes& changes, Consequences& consequences)
        : sessions_(sessions),
          contracts_(contracts),
          grants_(grants),
          changes_(changes),
          consequences_(consequences) {}

    // Looks at who has the keys of the prefix now, which another had before; 0: nobody, or the same.
    void refresh(const Prefix& prefix, std::uint64_t before = 0) {
        const auto keys = grants_.contract_keys(prefix);
        if (!keys) {
            refuse(prefix, keys.error());
            return;
        }
        std::optional<ContractChange> ended;
        std::optional<ContractChange> began;
        for (const Prefix& key : *keys) {
            const std::uint64_t around = sessions_.holder_of(key);
            const std::uint64_t holder = around != 0 ? around : sessions_.holder_of(prefix);
            const bool has = has_contract(holder);
            const bool changed = grants_.set_contract(key, has, consequences_.actions);
            // The next holder has one, too: not the one before's.
            const bool is_theirs =
                holder == sessions_.holder_of(prefix) && (around == 0 || prefix.contains(key));
            const bool handed_over =
                has && !changed && before != 0 && before != holder && is_theirs && !told_.contains(key);
            if (handed_over || changed) {
                told_.insert(key);
            }
            if (handed_over || (changed && !has)) {
                note(ended, key, prefix, before != 0 ? before : holder, false);
            }
            if (handed_over || (changed && has)) {
                note(began, key, prefix, holder, true);
            }
        }
        for (auto* const each : {&ended, &began}) {
            if (*each) {
                consequences_.contracts.push_back(std::move(**each));
            }
        }
    }

private:
    bool has_contract(std::uint64_t number) {
        if (number != last_) {
            const auto session = sessions_.find(number);
            last_ = number;
            last_contract_ = session ? contracts_.of(*session) : "";
        }
        return !last_contract_.empty();
    }

    // A prefix of many keys is told of once.
    void note(std::optional<ContractChange>& change, const Prefix& key, const Prefix& prefix,
              std::uint64_t session, bool begins) {
        if (change) {
            change->key = prefix;
            return;
        }
        change = ContractChange{.key = key,
                                .begins = begins,
                                .name = begins ? last_contract_ : "",
                                .session = session,
                                .user = user_of(session)};
    }

    std::string user_of(std::uint64_t number) {
        if (const auto session = sessions_.find(number)) {
            return session->user;
        }
        if (users_.empty()) {
            for (std::size_t i = 0; i < changes_.ended.size(); i++) {
                users_.emplace(changes_.ended[i], changes_.ended_users[i]);
            }
        }
        const auto found = users_.find(number);
        return found == users_.end() ? "" : found->second;
    }

    // Only whom it would concern.
    void refuse(const Prefix& prefix, const Error& error) {
        const std::uint64_t holder = sessions_.holder_of(prefix);
        if (has_contract(holder) && told_.insert(prefix).second) {
            consequences_.impossible.push_back({.prefix = prefix,
                                                .name = last_contract_,
                                                .session = holder,
                                                .user = user_of(holder),
                                                .error = error});
        }
    }

    const Sessions& sessions_;
    const Contracts& contracts_;
    grants::Grants& grants_;
    const Changes& changes_;
    Consequences& consequences_;
    std::uint64_t last_ = 0;  // whose session was looked at
    std::string last_contract_;
    std::set<Prefix> told_;
    std::unordered_map<std::uint64_t, std::string>
        users_;  // of sessions that have ended, when they are asked for
};

}  // namespace

Consequences follow(const Changes& changes, const Sessions& sessions, const Contracts& contracts,
                    grants::Grants& grants, const grants::Now& now) {
    Consequences consequences;
    ContractKeeper keeper(sessions, contracts, grants, changes, consequences);
    for (const HolderChange& change : changes.holders) {
        hand_over(change, changes, sessions, grants, now, consequences);
        keeper.refresh(change.prefix, change.before);
    }
    for (const LetGo& each : changes.let_go) {
        end_before(each, sessions, grants, now, consequences);
        keeper.refresh(each.prefix);
    }
    for (const std::uint64_t number : changes.to_save) {  // what is said of them may have changed
        if (const auto session = sessions.find(number)) {
            for (const Prefix& prefix : session->prefixes) {
                keeper.refresh(prefix);
            }
        }
    }
    return consequences;
}

std::vector<Prefix> keys_of_former_holders(const Changes& changes, const Sessions& sessions,
                                           const RestingKeys& resting, const grants::Now& now) {
    // What was let go so long ago may be who came after's.
    constexpr std::chrono::minutes late{5};
    const auto began = [&changes](std::uint64_t session) {
        return std::ranges::find(changes.began, session) != changes.began.end();
    };
    std::vector<Prefix> keys;
    for (const HolderChange& change : changes.holders) {
        if (change.before == 0) {
            continue;
        }
        std::ranges::copy_if(resting(change.prefix), std::back_inserter(keys), [&](const Prefix& key) {
            const std::uint64_t holder = sessions.holder_of(key);
            return !change.prefix.contains(key) || holder == change.after || began(holder);
        });
    }
    for (const LetGo& each : changes.let_go) {
        if (each.time + late >= now.wall) {
            std::ranges::copy_if(resting(each.prefix), std::back_inserter(keys),
                                 [&](const Prefix& key) { return sessions.holder_of(key) == 0; });
        }
    }
    return keys;
}

bool was_of_another(const Sessions& sessions, const Address& address, grants::WallTime when,
                    const grants::Now& now) {
    const sys_seconds since = sessions.held_since(Prefix{.address = address, .length = address.bits()});
    return when + std::chrono::seconds(1) <= now.wall && when + grants::stamps_differ < since;
}

void begin_contracts(const Session& session, const Sessions& sessions, const Contracts& contracts,
                     grants::Grants& grants, Consequences& consequences) {
    if (contracts.of(session).empty()) {
        return;
    }
    const Changes none;
    ContractKeeper keeper(sessions, contracts, grants, none, consequences);
    for (const Prefix& prefix : session.prefixes) {
        keeper.refresh(prefix);
    }
}

}  // namespace sekisho::subscribers
