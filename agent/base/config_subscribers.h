// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that say who tells of subscribers' sessions, [radius], and which sessions are
// always open, [[contract]]. Part of config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

// [[radius.client.nas]]: one of several behind a proxy.
struct RadiusNasConfig {
    std::string name;  // its NAS-Identifier; where it sends none, its address as it is told with a session
    std::chrono::seconds interim_interval{};
};

// [[radius.client]]: a NAS, or a proxy before it, that sends accounting.
struct RadiusClientConfig {
    std::string name;              // in logs
    std::vector<Prefix> prefixes;  // where its packets come from; the longest that fits an address counts
    std::filesystem::path secret_file;  // not readable by others
    // How often it sends Interim-Updates; none: learnt.
    std::optional<std::chrono::seconds> interim_interval;
    std::vector<RadiusNasConfig> nas;  // that differ from it, each name once
};

// [radius]: a listener for RADIUS accounting (RFC 2866).
struct RadiusConfig {
    std::vector<Address> listen;  // not empty, each once
    std::uint16_t port = 1813;
    std::uint32_t max_sessions = 1'000'000;   // 16 to 16,777,216
    std::vector<RadiusClientConfig> clients;  // at least one
};

// [[contract]]: subscribers whose port 25 is always open, known by what RADIUS says of their sessions. One
// matching entry of any of the three is enough.
struct ContractConfig {
    std::string name;
    std::vector<std::string> classes;  // "class": patterns (fnmatch(3)) of Class
    std::vector<std::string> filters;  // "filter_id": patterns of Filter-Id
    std::filesystem::path users;       // a file with a User-Name on each line
};

}  // namespace sekisho
