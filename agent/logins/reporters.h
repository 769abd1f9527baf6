// SPDX-License-Identifier: Apache-2.0
// Those who may tell a listener of logins by HTTP: who they are, what they must know, and what became of what
// they said.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "agent/base/secret.h"
#include "agent/logins/source.h"

namespace sekisho::logins {

// Of one section of the configuration.
class Reporters {
public:
    // Reads the key. `config` must outlive the object. Failure::invalid or unavailable for a key file that is
    // unfit.
    [[nodiscard]] static Result<Reporters> make(const ReportersConfig& config, OnLogin on_login);

    // The line in the key file.
    [[nodiscard]] const std::string& key() const { return key_; }
    // Whether a stranger's word is that line.
    [[nodiscard]] bool is_key(std::string_view word) const { return key_digest_.is_of(word); }
    [[nodiscard]] const Counts& counts() const { return counts_; }

    // Whether this one may speak at all. One who may not is counted, and logged by the name `stranger`.
    [[nodiscard]] bool admits(const api::Peer& peer, std::string_view stranger);

    // Hands a login on, under the section's name and with its lifetime, and counts what becomes of it.
    void report(grants::LoginEvent login);

    // Counts a login that must not go on.
    void refuse() { counts_.refused++; }

    // Counts, and logs by this name, what is no login.
    void reject(std::string_view name, std::string_view what, const api::Peer& peer);

    // Logs it, and then not again under this name for a while.
    void warn(std::string_view name, std::string_view what, const api::Peer& peer,
              std::chrono::seconds quiet_for = std::chrono::seconds(1));

private:
    Reporters(const ReportersConfig& config, std::string key, OnLogin on_login);

    const ReportersConfig& config_;
    std::string key_;
    SecretDigest key_digest_;
    OnLogin on_login_;
    Counts counts_;
    log::Quiet quiet_;
};

// What a reporter is told of its mistake.
[[nodiscard]] std::string told(const Error& error);

}  // namespace sekisho::logins
