// SPDX-License-Identifier: Apache-2.0
// Which, and in which order.
#include "smtpd/sasl/offered_mechanisms.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace sekisho::sasl {

namespace {

// The strongest first; what isn't named here stands behind them.
constexpr std::array<std::string_view, 11> by_strength = {
    "EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
    "CRAM-MD5", "OAUTHBEARER",        "XOAUTH2",          "PLAIN",         "LOGIN"};

// RFC 4422, 3.1: "1 to 20 uppercase letters, digits, hyphens, or underscores".
bool is_mechanism(std::string_view name) {
    return !name.empty() && name.size() <= 20 && std::ranges::all_of(name, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

bool is_for_clients(const Offer& offer) {
    const auto has = [&offer](std::string_view property) {
        return std::ranges::find(offer.properties, property) != offer.properties.end();
    };
    return is_mechanism(offer.mechanism) && has("private") == offer.mechanism.ends_with("-PLUS") &&
           !has("anonymous");
}

}  // namespace

std::vector<std::string> offered_to_clients(std::span<const Offer> offers) {
    std::vector<std::string> names;
    for (const Offer& offer : offers) {
        if (is_for_clients(offer)) {
            names.push_back(offer.mechanism);
        }
    }
    std::ranges::sort(names, {}, [](const std::string& name) {
        return std::pair(std::ranges::find(by_strength, name) - by_strength.begin(), name);
    });
    return names;
}

}  // namespace sekisho::sasl
