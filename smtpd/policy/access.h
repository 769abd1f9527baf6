// SPDX-License-Identifier: Apache-2.0
// The list of [[submission.access]]: whom it denies, delays, or spares. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config_submission.h"

namespace sekisho::policy {

// What the list says of a client.
struct Access {
    enum class Kind : std::uint8_t {
        open,       // no entry fits, or one that allows
        denied,     // whoever has logged in
        login,      // denied to who hasn't logged in
        delayed,    // open, after a while
        undecided,  // that depends on the client's name or the sender, which aren't known yet
    };
    Kind kind = Kind::open;
    const SubmissionAccessConfig* entry = nullptr;  // that decides
};

// Of whom the list is asked.
struct AccessFacts {
    Address client;
    // Its forward-confirmed name in small letters, empty if it has none; nothing as long as it isn't known.
    std::optional<std::string> name{};
    // The mailbox of MAIL, empty for the null path, which patterns call "<>"; nothing as long as it isn't
    // known.
    std::optional<std::string_view> sender{};
};
[[nodiscard]] Access judge_access(const std::vector<SubmissionAccessConfig>& list, const AccessFacts& facts);

// Whether it must be known how this client is called.
[[nodiscard]] bool name_matters(const std::vector<SubmissionAccessConfig>& list, const Address& client);

}  // namespace sekisho::policy
