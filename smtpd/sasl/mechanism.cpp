// SPDX-License-Identifier: Apache-2.0
// PLAIN, LOGIN and EXTERNAL.
#include "smtpd/sasl/mechanism.h"

#include <algorithm>
#include <utility>

#include "agent/base/ascii.h"

namespace sekisho::sasl {

namespace {

// Both words are there, are text and not too long: RFC 4616 says so of PLAIN, and LOGIN has no rule of its
// own.
MechanismStep credentials(std::string_view name, std::string_view password) {
    if (auto why = unfit_name(name)) {
        return Malformed{.why = std::move(*why)};
    }
    if (password.empty() || password.size() > longest_password || characters_in(password) < 0 ||
        password.find('\0') != std::string_view::npos) {
        return Malformed{.why = "the password is empty, over 511 octets, no UTF-8, or has a NUL"};
    }
    return Credentials{.user = user_key(name), .password = SecretText(password)};
}

// [authzid] NUL authcid NUL passwd
MechanismStep plain(std::string_view message) {
    const std::size_t first = message.find('\0');
    const std::size_t second = first == std::string_view::npos ? first : message.find('\0', first + 1);
    if (second == std::string_view::npos) {
        return Malformed{.why = "a message of PLAIN has two NULs"};
    }
    const std::string_view acting_as = message.substr(0, first);
    const std::string_view name = message.substr(first + 1, second - first - 1);
    if (!acting_as.empty() && user_key(acting_as) != user_key(name)) {
        return Malformed{.why = "nobody may act as somebody else here"};
    }
    return credentials(name, message.substr(second + 1));
}

}  // namespace

std::optional<Mechanism> Mechanism::named(std::string_view name) {
    if (name == "PLAIN") {
        return Mechanism(Expects::plain);
    }
    if (name == "LOGIN") {
        return Mechanism(Expects::login_name);
    }
    return std::nullopt;
}

MechanismStep Mechanism::step(const std::optional<SecretText>& response) {
    switch (expects_) {
        case Expects::plain:
            return response ? plain(response->view()) : Prompt{};
        case Expects::login_name:
            if (!response) {
                return Prompt{.text = "Username:"};
            }
            name_ = response->view();
            expects_ = Expects::login_password;
            return Prompt{.text = "Password:"};
        case Expects::login_password:
            break;
    }
    return response ? credentials(name_, response->view()) : Malformed{.why = "no password"};
}

MechanismStep CertificateLogin::step(const std::optional<SecretText>& response) const {
    if (!response) {
        return Prompt{};
    }
    if (named_.empty()) {
        return Malformed{.why = "the client has shown no certificate that names a user"};
    }
    if (!response->empty() && user_key(response->view()) != named_) {
        return Refuted{.user = named_, .why = "nobody may act as somebody else here"};
    }
    return known_ ? MechanismStep(Proven{.user = named_}) : Refuted{.user = named_, .why = "no such user"};
}

std::string user_key(std::string_view name) {
    return lowered(name);
}

std::optional<std::string> unfit_name(std::string_view name) {
    if (name.empty()) {
        return "the name is empty";
    }
    if (name.size() > longest_name) {
        return "the name is longer than 255 octets";
    }
    if (characters_in(name) < 0) {
        return "the name is no UTF-8";
    }
    if (has_controls(name) || name.find_first_of(" :") != std::string_view::npos || name.starts_with('#')) {
        return "the name has a blank, a colon or a control character, or begins with #";
    }
    return std::nullopt;
}

}  // namespace sekisho::sasl
