// SPDX-License-Identifier: Apache-2.0
// The server's side of SASL PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login) and EXTERNAL (RFC 4422), and
// what any mechanism may come to. Pure.
//
// Text is compared as it comes: SASLprep (RFC 4013) is not applied.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

constexpr std::array<std::string_view, 2> plaintext_mechanisms = {"PLAIN", "LOGIN"};

constexpr std::size_t longest_name = 255;      // octets
constexpr std::size_t longest_password = 511;  // octets: crypt(3) takes no more

// What the client must answer next; not base64 yet.
struct Prompt {
    std::string text;
    std::string proven{};  // the user whose password the client has shown to know; the text is our own proof
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
// An access token instead of a password: whose is it?
struct TokenGiven {
    std::string user;  // who it is said to be, as user_key() makes it; empty: that isn't said
    SecretText token;
};
using MechanismStep = std::variant<Prompt, Credentials, Malformed, Proven, Refuted, TokenGiven>;

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

// EXTERNAL (RFC 4422, A): whoever has shown a certificate is the one whom it names.
class CertificateLogin {
public:
    // `named` as user_key() makes it; empty: no certificate that could be believed has named anybody.
    // `known`: there is such a user.
    CertificateLogin(std::string named, bool known) : named_(std::move(named)), known_(known) {}

    // The client's word for whom it wants to act as; nothing where it sent none yet.
    [[nodiscard]] MechanismStep step(const std::optional<SecretText>& response) const;

private:
    std::string named_;
    bool known_;
};

// The name by which a user is found: ASCII letters in lower case, as in mail addresses.
[[nodiscard]] std::string user_key(std::string_view name);

// Why a text can't be a user's name; nothing if it can: up to 255 octets of UTF-8 without blanks, colons and
// control characters, not beginning with #.
[[nodiscard]] std::optional<std::string> unfit_name(std::string_view name);

}  // namespace sekisho::sasl
