// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that say who reports logins: [login]. Part of config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

// [[login.dovecot]]: a listener for Dovecot's auth policy protocol.
struct DovecotConfig {
    std::string name;  // of the reporter, in grants and logs
    Address listen;
    std::uint16_t port = 4001;
    std::filesystem::path key_file;  // holds the API key, not readable by others
    std::vector<Prefix> reporters;   // who may speak to this listener at all
    // "proof": "authed=ok" means that an `allow` whose attribute `authed` is `ok` was sent after a right
    // password and is granted on; without it only `report` with success grants.
    std::optional<std::pair<std::string, std::string>> proof;
    std::optional<std::chrono::seconds> lifetime;
};

// [[login.log.pattern]]: lines of an operator's own.
struct LogPatternConfig {
    std::string name;
    std::string program;  // whose lines it is tried on; empty: all
    // RE2, for the whole message. Groups named `user` and `address`, perhaps `port`, `protocol`, `mechanism`,
    // `tls`.
    std::string expression;
};

// [[login.log]]: a log file in which daemons tell of logins.
struct LogConfig {
    std::string name;  // of the reporter, in grants and logs
    std::filesystem::path file;
    std::vector<std::string> patterns;  // those that are known and wanted; none named: all
    std::vector<LogPatternConfig> own;  // tried before them
    std::optional<std::chrono::seconds> lifetime;
};

}  // namespace sekisho
