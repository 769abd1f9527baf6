// SPDX-License-Identifier: Apache-2.0
// Messages of OAUTHBEARER and XOAUTH2, and what an authorization server answers.
#include <string_view>
#include <variant>

#include "smtpd/sasl/bearer.h"
#include "smtpd/sasl/introspection.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace sasl = sekisho::sasl;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const std::string_view name : sasl::bearer_mechanisms) {
        const auto step = sasl::BearerExchange::named(name, "")->step(sasl::SecretText(input));
        if (const auto* const given = std::get_if<sasl::TokenGiven>(&step)) {
            const std::string_view token = given->token.view();
            require(!token.empty() && token.size() <= sasl::longest_token, "a token has a length");
            require(token.find_first_of(std::string_view("\0\001\r\n &%", 7)) == std::string_view::npos,
                    "and no sign that would mean something else in a form");
            require(input.find(token) != std::string_view::npos, "the client has sent it");
            require(given->user.empty() || !sasl::unfit_name(given->user), "a name that may be one");
        } else {
            require(std::holds_alternative<sasl::Malformed>(step), "or it was no message");
        }
    }
    const auto found = sasl::user_in_introspection(input, {.scope = "smtp"});
    if (found && *found) {
        require(!sasl::unfit_name(**found), "a name that may be one");
        require(
            input.find("true") != std::string_view::npos && input.find("active") != std::string_view::npos,
            "of a token that is good");
    }
    return 0;
}
