// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that say what Dovecot is told of a login before it looks at the password:
// [login.tries] and [[login.access]]. Part of config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

enum class TriesAnswer : std::uint8_t {
    refuse,  // the login fails, whatever the password
    tarpit,  // Dovecot waits before it looks at the password
};

// [login.tries]: who has failed too often.
struct TriesConfig {
    std::chrono::seconds window{600};  // 1 s to 1 day: older tries don't count
    // How many tries in the window lock; 0: any number, otherwise at most 10,000.
    std::uint32_t per_address = 20;  // an IPv4 address, an IPv6 /64
    std::uint32_t per_network = 100;
    std::uint32_t per_user = 50;
    TriesAnswer answer = TriesAnswer::refuse;
    std::chrono::seconds tarpit{10};  // 1 s to 15 s
    std::chrono::seconds lock{600};   // 1 s to 7 days, from the try that was one too many
    int network_ipv4 = 24;            // 8 to 31
    int network_ipv6 = 48;            // 16 to 63
    std::vector<Prefix> never;        // never counted, never locked
};

enum class AccessAction : std::uint8_t { allow, deny };

// [[login.access]]: the first entry that fits a login decides.
struct AccessConfig {
    std::int64_t priority = 0;  // lower comes first; of the same, the one that stands first
    AccessAction action = AccessAction::deny;
    std::vector<Prefix> clients;         // where it comes from; none: everywhere
    std::vector<std::string> users;      // patterns (fnmatch(3)), in any case of letters; none: everybody
    std::vector<std::string> protocols;  // as Dovecot names them: "pop3", "imap"; none: all
};

}  // namespace sekisho
