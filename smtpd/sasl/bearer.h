// SPDX-License-Identifier: Apache-2.0
// The server's side of OAUTHBEARER (RFC 7628) and of XOAUTH2, its forerunner: an access token instead of a
// password. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// The better one first.
constexpr std::array<std::string_view, 2> bearer_mechanisms = {"OAUTHBEARER", "XOAUTH2"};

constexpr std::size_t longest_token = 8192;  // octets

// One login.
class BearerExchange {
public:
    // Nothing for a mechanism that is none of the two. `configuration` is where a client can learn how to get
    // a token (OpenID Connect Discovery); may be empty.
    [[nodiscard]] static std::optional<BearerExchange> named(std::string_view mechanism,
                                                             std::string configuration);

    // The client's messages: the token, and then what it answers to failed(). Not to be called again after
    // anything but a prompt.
    [[nodiscard]] MechanismStep step(const std::optional<SecretText>& response);
    // The token that step() has found is no good: what to tell the client (RFC 7628, 3.2.2). Its answer,
    // whatever it is, ends the exchange.
    [[nodiscard]] Prompt failed(std::string user, std::string why);

private:
    enum class Expects : std::uint8_t { bearer, xoauth2, end };
    BearerExchange(Expects expects, std::string configuration)
        : expects_(expects), configuration_(std::move(configuration)) {}

    Expects expects_;
    std::string configuration_;
    std::string user_;  // of the end
    std::string why_;   //
};

}  // namespace sekisho::sasl
