// SPDX-License-Identifier: Apache-2.0
// Admits, counts, complains.
#include "agent/logins/reporters.h"

#include <algorithm>
#include <utility>

namespace sekisho::logins {

Reporters::Reporters(const ReportersConfig& config, std::string key, OnLogin on_login)
    : config_(config),
      key_(std::move(key)),
      key_digest_(key_),
      on_login_(std::move(on_login)),
      quiet_(config.name) {}

Result<Reporters> Reporters::make(const ReportersConfig& config, OnLogin on_login) {
    auto key = read_secret(config.key_file);
    if (!key) {
        return std::unexpected(key.error());
    }
    return Reporters(config, std::move(*key), std::move(on_login));
}

bool Reporters::admits(const api::Peer& peer, std::string_view stranger) {
    const bool known = peer.address && std::ranges::any_of(config_.reporters, [&peer](const Prefix& prefix) {
                           return prefix.contains(*peer.address);
                       });
    if (!known) {
        reject(stranger, "a connection from an address that is not among the reporters", peer);
    }
    return known;
}

void Reporters::report(grants::LoginEvent login) {
    login.reporter = config_.name;
    login.lifetime = config_.lifetime;
    const auto granted = on_login_(login);
    (granted ? counts_.granted : counts_.refused)++;
}

void Reporters::reject(std::string_view name, std::string_view what, const api::Peer& peer) {
    counts_.rejected++;
    warn(name, what, peer);
}

void Reporters::warn(std::string_view name, std::string_view what, const api::Peer& peer,
                     std::chrono::seconds quiet_for) {
    quiet_.warning(name, what, peer.text(), quiet_for);
}

std::string told(const Error& error) {
    return error.what + (error.remedy.empty() ? "" : "; " + error.remedy);
}

}  // namespace sekisho::logins
