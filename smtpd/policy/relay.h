// SPDX-License-Identifier: Apache-2.0
// Who may relay: one table of rules over what is known of a client. Pure: who asks looks up what it must.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config_mail.h"
#include "smtpd/policy/senders.h"

namespace sekisho::policy {

// What the agent says of a client's address: by whose login elsewhere it may send (POP-before-SMTP).
struct GrantAnswer {
    enum class Kind : std::uint8_t { none, granted, unknown };
    Kind kind = Kind::none;
    std::string user;     // of a grant
    std::string trouble;  // why it isn't known
};

// All that the rules look at.
struct RelayFacts {
    const SubmissionConfig& submission;
    const ListenerConfig& listener;  // one of its
    const RelayConfig& relay;        // for the local domains
    Address client;
    std::string interface{};               // by which it has come; empty: that isn't known
    std::optional<std::string> name{};     // the client's; nothing: it isn't known, see AccessFacts
    std::string sender;                    // the mailbox of MAIL; empty: the null path
    std::optional<std::string> recipient;  // the mailbox of RCPT; nothing: MAIL is being looked at
    bool tls = false;                      // is active
    std::string user;                      // who has logged in here; empty: nobody
    const SenderRights* rights = nullptr;  // null: users send as anybody
    std::optional<GrantAnswer> grant;      // nothing: the agent hasn't been asked
    // The reply to whom the relay lets send nothing now, by quota or because somebody has stopped them: the
    // user who has logged in or holds the grant. Nothing: it hasn't been asked; empty: they may.
    std::optional<std::string> standing{};
};

enum class Opinion : std::uint8_t {
    none,       // the rule says nothing of this client: the next one is asked
    accept,     // it may
    refuse,     // it may not
    ask_agent,  // RelayFacts::grant must be known first
    ask_relay,  // RelayFacts::standing must be known first
};

[[nodiscard]] std::string_view to_string(Opinion opinion);  // "none", "accept", ..., "ask_relay"

// Whose mail it would be: who has logged in here, or where the client's address has its grant from. Empty: it
// comes from a network of trust, or from a stranger.
[[nodiscard]] std::string user_of(const RelayFacts& facts);

// What one rule says, and why, in words for an operator.
struct Finding {
    std::string_view rule;
    Opinion opinion = Opinion::none;
    std::string detail;
};

// What comes of all of them.
struct Ruling {
    Opinion opinion = Opinion::refuse;
    std::string_view rule;  // that decided
    std::string reply;      // where it is refused: "530 5.7.0 Authentication required"
};

// The rules in their order, to the one that decides, which is the last.
[[nodiscard]] std::vector<Finding> explain_relay(const RelayFacts& facts);

// The same in short. What is accepted at MAIL by the rule "local" is looked at again for each recipient: only
// those of local domains are taken.
[[nodiscard]] Ruling judge_relay(const RelayFacts& facts);

// Which way it goes, by the domains of both: "Internet to local".
[[nodiscard]] std::string direction_of(const RelayConfig& relay, std::string_view sender,
                                       std::string_view recipient);

}  // namespace sekisho::policy
