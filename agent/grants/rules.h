// SPDX-License-Identifier: Apache-2.0
// What the rules of the configuration let a login open. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::grants {

// A login that a reporter saw.
struct LoginEvent {
    WallTime when{};
    std::string user;
    Address address;
    std::optional<std::uint16_t> port{};  // that the client came from, if the reporter knows
    std::string protocol;                 // "pop3", "imap", "smtp"
    std::string mechanism;                // may be empty
    bool tls = false;                     // false, too, where the reporter doesn't know
    std::string reporter;
    std::optional<std::chrono::seconds> lifetime;  // the reporter's
};

// What the first rule that fits a login says, and [grants] where it doesn't.
struct Terms {
    std::string rule;  // its name; empty where none fits
    bool opens = true;
    bool tls_required = false;
    bool other_family = false;
    Scope scope{};
    std::optional<std::chrono::seconds> lifetime;  // the rule's, else the reporter's
    std::optional<std::uint32_t> budget;           // the rule's
    std::uint32_t addresses_per_user = 0;
};
[[nodiscard]] Terms terms_of(const GrantConfig& config, const LoginEvent& login);

// What a grant opens, in words: "the port", "the relay", or both.
[[nodiscard]] std::string opened_things(const Scope& scope);

// What the login asks for under these terms. Failure::refused where its rule says that such logins open
// nothing, or not without TLS.
[[nodiscard]] Result<GrantRequest> request_of(const Terms& terms, const LoginEvent& login);

}  // namespace sekisho::grants
