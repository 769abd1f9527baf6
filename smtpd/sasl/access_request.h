// SPDX-License-Identifier: Apache-2.0
// RADIUS Access-Request and what a server answers to it (RFC 2865), for one user name and password. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::sasl {

constexpr std::size_t longest_radius_packet = 4096;    // octets: RFC 2865, 3
constexpr std::size_t longest_radius_password = 128;   // octets: RFC 2865, 5.2
constexpr std::size_t longest_radius_attribute = 253;  // octets of a value: RFC 2865, 5

// Sixteen octets that nobody can foresee: what hides the password and proves the answer.
using RequestAuthenticator = std::array<std::uint8_t, 16>;

// The question that an Access-Request asks.
struct AccessQuestion {
    std::string_view user;          // 1 to 253 octets
    std::string_view password;      // 1 to 128 octets
    std::string_view nas;           // NAS-Identifier: what we are called
    std::optional<Address> remote;  // Calling-Station-Id: where the client is
};

// The packet: with Service-Type Authenticate-Only, NAS-Port-Type Virtual and, as its first attribute,
// Message-Authenticator (RFC 3579, 3.2). Failure::invalid for texts that are too long. It holds the password,
// hidden by the secret.
[[nodiscard]] Result<std::vector<std::uint8_t>> access_request(const AccessQuestion& question,
                                                               std::uint8_t identifier,
                                                               const RequestAuthenticator& authenticator,
                                                               std::string_view secret);

// What a server has said.
enum class AccessAnswer : std::uint8_t {
    accept,
    reject,
    challenge,  // it wants to hear more than a password
};

// Reads an answer to the request with this identifier and authenticator. Failure::invalid for a packet that
// is none, or not made with the secret: to be passed over. `strict`: nor one without Message-Authenticator,
// which somebody between the two could have forged (CVE-2024-3596).
[[nodiscard]] Result<AccessAnswer> read_access_answer(std::span<const std::uint8_t> packet,
                                                      std::uint8_t identifier,
                                                      const RequestAuthenticator& authenticator,
                                                      std::string_view secret, bool strict);

}  // namespace sekisho::sasl
