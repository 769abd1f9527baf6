// SPDX-License-Identifier: Apache-2.0
// Failed logins at the submission server that both it and the Dovecot tell of that it has asked. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "agent/base/address.h"
#include "agent/logins/access_list.h"
#include "agent/logins/try_table.h"

namespace sekisho::logins {

class ToldTwice {
public:
    // Whether the other one has told of this try already; notes it. The one tells of as many as the other,
    // sooner or later, so that those count by which one of them is ahead.
    [[nodiscard]] bool is_repeated(const Attempt& attempt, bool by_submission, Moment now);

    // Tries so long apart are not the same.
    static constexpr std::chrono::seconds together{30};
    // Of so many users and addresses; more than that in this time count twice.
    static constexpr std::size_t most = 10'000;

private:
    using Who = std::pair<Address, std::string>;
    struct Told {
        std::array<std::uint32_t, 2> by{};
        Moment last{};
    };
    std::map<Who, Told> told_;
};

}  // namespace sekisho::logins
