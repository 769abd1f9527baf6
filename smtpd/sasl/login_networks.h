// SPDX-License-Identifier: Apache-2.0
// From which networks a user may log in to a mailbox, by an operator's list ([[login.access]]). Pure.
//
// The agent judges each login by the whole list. This is for a server that must judge without it, and knows
// networks alone: what it lets in is what the list lets in by POP or by IMAP, whatever the protocol is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config_access.h"

namespace sekisho::sasl {

class LoginNetworks {
public:
    // The entries as they stand in the file.
    explicit LoginNetworks(std::vector<AccessConfig> access);

    // Those networks, in their order and none within another; nothing: from everywhere. Without any element:
    // from nowhere.
    [[nodiscard]] const std::optional<std::vector<Prefix>>& of(const std::string& user);

private:
    std::vector<AccessConfig> access_;  // in the order in which they count, patterns in small letters
    // Many users have the same entries; which they are says the key.
    std::map<std::vector<bool>, std::optional<std::vector<Prefix>>> known_;
};

}  // namespace sekisho::sasl
