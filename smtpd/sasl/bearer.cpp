// SPDX-License-Identifier: Apache-2.0
// Messages of key=value, each ended by \001.
#include "smtpd/sasl/bearer.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "agent/base/ascii.h"

namespace sekisho::sasl {

namespace {

constexpr char separator = '\001';
constexpr std::size_t longest_bearer_message = longest_token + 1024;

Malformed no_message(std::string why) {
    return {.why = std::move(why)};
}

// RFC 6750, 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool is_token(std::string_view text) {
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    return !text.empty() && text.size() <= longest_token && std::ranges::all_of(text, [](char octet) {
        return is_letter_or_digit(octet) || std::string_view("-._~+/").find(octet) != std::string_view::npos;
    });
}

// RFC 5801, 4: "," and "=" in a name travel as =2C and =3D. Nothing where a "=" stands for nothing.
std::optional<std::string> unescaped_name(std::string_view text) {
    std::string name;
    while (!text.empty()) {
        if (text.front() != '=') {
            name += text.front();
            text.remove_prefix(1);
        } else if (text.starts_with("=2C") || text.starts_with("=3D")) {
            name += text[1] == '2' ? ',' : '=';
            text.remove_prefix(3);
        } else {
            return std::nullopt;
        }
    }
    return name;
}

// What the token in "auth=Bearer TOKEN" and the claimed name make; the scheme is written in any case
// (RFC 7235, 2.1).
MechanismStep token_step(std::string_view name, std::string_view value) {
    constexpr std::string_view bearer_scheme = "bearer ";
    if (!lowered(value.substr(0, bearer_scheme.size())).starts_with(bearer_scheme)) {
        return no_message("there is no token of the scheme Bearer");
    }
    value.remove_prefix(bearer_scheme.size());
    if (!is_token(value)) {
        return no_message("the token is empty, over 8192 octets, or has signs that no token has");
    }
    if (auto why = name.empty() ? std::nullopt : unfit_name(name)) {
        return no_message(std::move(*why));
    }
    return TokenGiven{.user = user_key(name), .token = SecretText(value)};
}

// kvpairs, and the separator that ends them all. Calls `take` with each key and value.
template <class Take>
bool each_pair(std::string_view message, Take take) {
    while (!message.empty() && message.front() != separator) {
        const std::size_t end = message.find(separator);
        const std::size_t equals = message.find('=');
        if (end == std::string_view::npos || equals >= end || equals == 0) {
            return false;
        }
        take(message.substr(0, equals), message.substr(equals + 1, end - equals - 1));
        message.remove_prefix(end + 1);
    }
    return message == std::string_view(&separator, 1);
}

// RFC 7628, 3.1: client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
MechanismStep read_bearer(std::string_view message) {
    const std::size_t first = message.find(',');
    const std::size_t second = first == std::string_view::npos ? first : message.find(',', first + 1);
    if (second == std::string_view::npos ||
        message.substr(second + 1, 1) != std::string_view(&separator, 1)) {
        return no_message("a message of OAUTHBEARER begins with n,a=NAME, and \\001");
    }
    const std::string_view flag = message.substr(0, first);
    std::string_view name = message.substr(first + 1, second - first - 1);
    if ((flag != "n" && flag != "y") || (!name.empty() && !name.starts_with("a="))) {
        return no_message("the header of OAUTHBEARER is malformed");
    }
    name.remove_prefix(name.empty() ? 0 : 2);
    const auto acting_as = unescaped_name(name);
    std::optional<std::string_view> value;
    bool twice = false;
    const bool whole =
        each_pair(message.substr(second + 2), [&](std::string_view key, std::string_view each) {
            if (key == "auth") {
                twice = twice || value.has_value();
                value = each;
            }
        });
    if (!acting_as || !whole || !value || twice) {
        return no_message("the pairs of OAUTHBEARER are malformed");
    }
    return token_step(*acting_as, *value);
}

// As Google and Microsoft describe it: user=NAME^Aauth=Bearer TOKEN^A^A
MechanismStep read_xoauth2(std::string_view message) {
    std::optional<std::string_view> name;
    std::optional<std::string_view> value;
    bool twice = false;
    const bool whole = each_pair(message, [&](std::string_view key, std::string_view each) {
        auto* const which = key == "user" ? &name : key == "auth" ? &value : nullptr;
        if (which != nullptr) {
            twice = twice || which->has_value();
            *which = each;
        }
    });
    if (!whole || !name || name->empty() || !value || twice) {
        return no_message("the pairs of XOAUTH2 are malformed");
    }
    return token_step(*name, *value);
}

}  // namespace

std::optional<BearerExchange> BearerExchange::named(std::string_view mechanism, std::string configuration) {
    if (mechanism == "OAUTHBEARER") {
        return BearerExchange(Expects::bearer, std::move(configuration));
    }
    if (mechanism == "XOAUTH2") {
        return BearerExchange(Expects::xoauth2, std::move(configuration));
    }
    return std::nullopt;
}

MechanismStep BearerExchange::step(const std::optional<SecretText>& response) {
    if (expects_ == Expects::end) {
        return Refuted{.user = user_, .why = why_};
    }
    if (!response) {
        return Prompt{};
    }
    const std::string_view message = response->view();
    if (message.size() > longest_bearer_message || message.find('\0') != std::string_view::npos) {
        return no_message("a message of over 9216 octets, or with a NUL");
    }
    return expects_ == Expects::bearer ? read_bearer(message) : read_xoauth2(message);
}

Prompt BearerExchange::failed(std::string user, std::string why) {
    boost::json::object told;
    if (expects_ == Expects::bearer) {
        told["status"] = "invalid_token";
        if (!configuration_.empty()) {
            told["openid-configuration"] = configuration_;
        }
    } else {
        told = {{"status", "401"}, {"schemes", "bearer"}};
    }
    expects_ = Expects::end;
    user_ = std::move(user);
    why_ = std::move(why);
    return {.text = boost::json::serialize(told)};
}

}  // namespace sekisho::sasl
