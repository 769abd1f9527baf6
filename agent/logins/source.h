// SPDX-License-Identifier: Apache-2.0
// What all sources of logins have in common: whom they tell, and what they count.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>

#include "agent/base/result.h"
#include "agent/grants/rules.h"

namespace sekisho::logins {

// Called for each login; what it opens is in force when it returns. An Error is a refused grant, with the
// reason.
using OnLogin = std::function<Result<void>(const grants::LoginEvent&)>;

// Returns when what logins led to until now is on the disk too, or can't be written.
using Settled = std::function<boost::asio::awaitable<void>()>;

// What became of what was reported, since the start.
struct Counts {
    std::uint64_t granted = 0;
    std::uint64_t refused = 0;   // a login, but the rules said no
    std::uint64_t rejected = 0;  // no login: malformed, a stranger, a wrong key, without an address
};

}  // namespace sekisho::logins
