// SPDX-License-Identifier: Apache-2.0
// Dovecot's auth policy protocol: what a request says, and whether it is a login. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::logins {

// Longest body that is read; Dovecot's are a few hundred bytes.
constexpr std::size_t longest_policy_body = 16'384;

// `allow` asks whether a login may go on (before the password is looked at, after it, or both: by Dovecot's
// settings); `report` tells how it ended.
enum class PolicyCommand : std::uint8_t { allow, report };

// One request, as far as it matters here; of Dovecot 2.3 and 2.4.
struct PolicyRequest {
    PolicyCommand command = PolicyCommand::allow;
    std::string login;
    std::optional<Address> remote;  // nothing where it is missing, empty or no address
    std::string remote_text;        // what stood there
    std::string protocol;
    std::string mechanism;
    bool tls = false;
    bool success = false;        // of a report
    bool policy_reject = false;  // of a report: a policy server had said no
    std::string fail_type;       // of a report by Dovecot 2.4: why the login failed
    bool has_proof = false;      // the attribute of DovecotConfig::proof is there
    bool proven = false;         // and says what it must
};

// `query` is what stands behind the "?" of the request's target, `proof` comes from the configuration.
// Failure::invalid for another command, for a body that is no JSON object, and for members of a wrong type.
[[nodiscard]] Result<PolicyRequest> parse_policy_request(
    std::string_view query, std::string_view body,
    const std::optional<std::pair<std::string, std::string>>& proof);

// Whether the request proves that somebody has logged in. With a proof configured: an `allow` that carries
// it, which Dovecot fills only after the right password and waits for. Without: a `report` of success, which
// nobody waits for.
[[nodiscard]] bool is_login(const PolicyRequest& request, bool proof_configured);

// Whether somebody has failed to log in, as far as it can be told from what is nobody's fault. Dovecot 2.4
// says why (`fail_type`, auth_policy_fail_type() in its auth-policy.c): "internal", "expired", "disabled" and
// "policy" are no tries. "credentials" and "account" are, and so is "", which stands for a wrong answer to
// CRAM-MD5 or APOP, too: the user was found. 2.3 doesn't say why.
[[nodiscard]] bool is_failed_try(const PolicyRequest& request);

}  // namespace sekisho::logins
