// SPDX-License-Identifier: Apache-2.0
// Who may log in, and from where, by an operator's list. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"

namespace sekisho::logins {

// A login that was not decided yet.
struct Attempt {
    std::optional<Address> address;  // nothing where it isn't known
    std::string user;
    std::string protocol;  // "pop3", "imap"
    // What the same user is called elsewhere: by the client, where the server that judges has another name.
    std::vector<std::string> also{};
};

enum class Access : std::uint8_t {
    open,     // no entry fits, or one that allows users or protocols: locks hold
    allowed,  // by an entry that names this client: it isn't locked, either
    denied,
};

// The entries of [[login.access]].
class AccessList {
public:
    explicit AccessList(std::vector<AccessConfig> entries);

    // What the first entry that fits says, those of the lowest priority number first. An entry that names
    // clients fits no login whose address isn't known.
    [[nodiscard]] Access judge(const Attempt& attempt) const;

private:
    std::vector<AccessConfig> entries_;  // in the order in which they count, patterns in small letters
};

}  // namespace sekisho::logins
