// SPDX-License-Identifier: Apache-2.0
// What `sekisho setup` was answered, and the configuration that it makes. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::cli {

// Where the configuration says that the submission server's certificate is.
inline constexpr const char* setup_certificate = "/etc/sekisho/tls/fullchain.pem";
inline constexpr const char* setup_key = "/etc/sekisho/tls/privkey.pem";

// In the words that were typed: what they are worth says setup_complaint().
struct SetupAnswers {
    std::vector<std::string> subscribers{};  // interfaces: names or patterns
    std::vector<std::string> uplinks{};      // too; may be none
    std::vector<std::string> prefixes{};     // of the pool
    int ipv6_key = 64;                       // counts only where a prefix is of IPv6
    std::string action = "monitor";
    std::vector<std::string> designated{};  // may be none
    std::string hostname{};                 // of the submission server; empty: there is none
};

// Whether the length of a subscriber's prefix matters.
[[nodiscard]] bool has_ipv6(const std::vector<std::string>& prefixes);

// The whole file, with a comment above each section. A section that has no answer yet is left out.
[[nodiscard]] std::string setup_toml(const SetupAnswers& answers);

// What the reading of that file complains of first; nothing if it is fine.
[[nodiscard]] std::optional<Error> setup_complaint(const SetupAnswers& answers);

}  // namespace sekisho::cli
