// SPDX-License-Identifier: Apache-2.0
// What follows for the grants when addresses pass from one session to another. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/grants/grants.h"
#include "agent/subscribers/contracts.h"
#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

// A grant that has ended because of whose its key is.
struct Ended {
    grants::Grant grant;
    std::uint64_t session = 0;  // who had the key, if that is known
    std::string why;
};

// The holder of a key, or of all keys of a prefix, has a contract from now on, or had one until now.
struct ContractChange {
    Prefix key;
    bool begins = false;
    std::string name;           // of the contract that begins
    std::uint64_t session = 0;  // whose it is or was; 0: that isn't known
    std::string user;
};

// A session has a contract, and its prefix can't be opened for it.
struct ImpossibleContract {
    Prefix prefix;
    std::string name;  // of the contract
    std::uint64_t session = 0;
    std::string user;
    Error error;  // why
};

struct Consequences {
    grants::Actions actions;  // in this order
    std::vector<Ended> ended;
    std::vector<ContractChange> contracts;
    std::vector<ImpossibleContract> impossible;  // each once
};

// To be called after Sessions::apply() or sweep(), with what they gave, before anything else is applied.
//
// A grant ends if its addresses have another holder, or none. It stays if it was opened when the new holder
// had the address already: packets come late, and the login may overtake the Start. Who is first heard of by
// an Interim has had the address since its session began.
[[nodiscard]] Consequences follow(const Changes& changes, const Sessions& sessions,
                                  const Contracts& contracts, grants::Grants& grants, const grants::Now& now);

// The keys whose connections end although their grants ended before: whose the address was then has it no
// more. `resting` gives those keys that lie within a prefix, or the one around it, and still have
// connections. Who is first heard of now may have opened them himself, unless he has the address from
// another.
using RestingKeys = std::function<std::vector<Prefix>(const Prefix&)>;
[[nodiscard]] std::vector<Prefix> keys_of_former_holders(const Changes& changes, const Sessions& sessions,
                                                         const RestingKeys& resting, const grants::Now& now);

// Whether what a reporter saw at this time was of somebody who had the address before: it is told late, and
// who has the address now has it since later. What was seen within the last second is never.
[[nodiscard]] bool was_of_another(const Sessions& sessions, const Address& address, grants::WallTime when,
                                  const grants::Now& now);

// Appends what brings the contracts of a session's prefixes into force, for a start: grants have been taken
// over, and the kernel has not been told yet.
void begin_contracts(const Session& session, const Sessions& sessions, const Contracts& contracts,
                     grants::Grants& grants, Consequences& consequences);

}  // namespace sekisho::subscribers
