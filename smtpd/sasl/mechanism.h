// SPDX-License-Identifier: Apache-2.0
// The server's side of SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), and what any mechanism
// may come to. Pure.
//
// Text is compared as it comes: SASLprep (RFC 4013) is not applied.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

constexpr std::array<std::string_view, 2> plaintext_mechanisms = {"PLAIN", "LOGIN"};

constexpr std::size_t longest_name = 255;      // octets
constexpr std::size_t longest_password = 511;  // octets: crypt(3) takes no more

// What the client must answer next; not base64 yet.
struct Prompt {
    std::string text;
};
// All has been said: is the password right?
struct Credentials {
    std::string user;  // as user_key() makes it
    SecretText password;
};
// No password can be right that comes so.
struct Malformed {
    std::string why;
};
// The client has shown that it knows the password of a user,
struct Proven {
    std::string user;
};
// or not.
struct Refuted {
    std::string user;
    std::string why;  // for the log
};
using MechanismStep = std::variant<Prompt, Credentials, Malformed, Proven, Refuted>;

class Mechanism {
public:
    // Nothing for a mechanism that isn't offered.
    [[nodiscard]] static std::optional<Mechanism> named(std::string_view name);

    // The client's initial response, if it sent one, and then its answer to each prompt. Not to be called
    // again after anything but a prompt.
    [[nodiscard]] MechanismStep step(const std::optional<SecretText>& response);

private:
    enum class Expects : std::uint8_t { plain, login_name, login_password };
    explicit Mechanism(Expects expects) : expects_(expects) {}

    Expects expects_;
    std::string name_;
};

// The name by which a user is found: ASCII letters in lower case, as in mail addresses.
[[nodiscard]] std::string user_key(std::string_view name);

// Why a text can't be a user's name; nothing if it can: up to 255 octets of UTF-8 without blanks, colons and
// control characters, not beginning with #.
[[nodiscard]] std::optional<std::string> unfit_name(std::string_view name);

}  // namespace sekisho::sasl
