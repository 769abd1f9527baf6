// SPDX-License-Identifier: Apache-2.0
// Dovecot's configuration from [mailbox], in the language of Dovecot 2.3 or of 2.4. Pure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config_mailbox.h"

namespace sekisho::cli {

// Dovecot changed its configuration's language from 2.3 to 2.4.
enum class DovecotLanguage : std::uint8_t { of_2_3, of_2_4 };

// What `dovecot --version` says: "2.3.19.1 (9b53102964)". Nothing if that is no version that we can write
// for.
[[nodiscard]] std::optional<DovecotLanguage> language_of(std::string_view version);

// The agent's listener that is asked about each login.
struct PolicyFacts {
    Address address;
    std::uint16_t port = 0;
    std::string key;                            // X-API-Key
    std::pair<std::string, std::string> proof;  // an attribute, and its value behind a right password
    bool before = false;                        // whether it has a say before the password is looked at,
    bool reports = false;                       // and counts failures
};

// What else the configuration depends on.
struct DovecotFacts {
    DovecotLanguage language = DovecotLanguage::of_2_3;
    std::filesystem::path users;          // auth.dovecot_users
    std::vector<std::string> mechanisms;  // that are offered, the best first
    unsigned owner = 0;                   // the number of the mailboxes' owner, where they are here
    std::vector<std::string> lmtp{};      // sockets in /run/dovecot where mail for them is taken
    std::string relay_user{};             // whose these are
    std::optional<PolicyFacts> policy{};
    std::optional<std::pair<std::string, std::string>> proxy_login{};  // name and password
};

// The whole file.
[[nodiscard]] std::string dovecot_config(const MailboxConfig& mailbox, const DovecotFacts& facts);

// How many lines the files in auth.dovecot_users have: users by their kinds of secrets.
struct UserCounts {
    std::size_t hashes = 0;
    std::size_t scram_sha_256 = 0;
    std::size_t scram_sha_1 = 0;
    std::size_t recoverable = 0;
};

// What is offered: what was chosen, or else what all users can log in by, for a mail program takes the best
// that is offered, and fails for a user who has nothing to be judged by there.
[[nodiscard]] std::vector<std::string> offered_mechanisms(const MailboxConfig& mailbox,
                                                          const UserCounts& users);

}  // namespace sekisho::cli
