// SPDX-License-Identifier: Apache-2.0
// Whole exchanges of CRAM-MD5 and DIGEST-MD5, a message a line: who doesn't know the password never gets in.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "smtpd/sasl/challenge.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace sasl = sekisho::sasl;

namespace {

// The server's nonce is never the same: %R stands for what it has sent.
std::string with_nonce(std::string_view message, std::string_view challenge) {
    constexpr std::string_view mark = "nonce=\"";
    std::string_view nonce = challenge;
    if (const std::size_t begin = challenge.find(mark); begin != std::string_view::npos) {
        nonce = challenge.substr(begin + mark.size());
        nonce = nonce.substr(0, nonce.find('"'));
    }
    std::string text(message);
    for (std::size_t at = text.find("%R"); at != std::string::npos; at = text.find("%R", at + nonce.size())) {
        text.replace(at, 2, nonce);
    }
    return text;
}

void talk(const sasl::Challenges& challenges, sasl::ChallengeMechanism mechanism, std::string_view input) {
    std::string looked_up;
    auto exchange = challenges.begin(mechanism, "smtp", [&looked_up](const std::string& name) {
        require(looked_up.empty(), "a login is about one name");
        require(!sasl::unfit_name(name) && sasl::user_key(name) == name, "that may be one");
        looked_up = name;
        return sasl::ChallengeUser{.password = sasl::SecretText("nobody guesses this")};
    });
    require(exchange.has_value(), "there is always another exchange");
    const auto first = exchange->step(std::nullopt);
    require(std::holds_alternative<sasl::Prompt>(first), "the server speaks first");
    const std::string message = with_nonce(input, std::get<sasl::Prompt>(first).text);
    const auto step = exchange->step(sasl::SecretText(message));
    if (const auto* const refuted = std::get_if<sasl::Refuted>(&step)) {
        require(refuted->user == looked_up && !refuted->why.empty(), "who was refuted is known");
    } else {
        require(std::holds_alternative<sasl::Malformed>(step), "or it was no answer");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static const sasl::Challenges challenges = sasl::Challenges::make().value();
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const sasl::ChallengeMechanism each : sasl::challenge_mechanisms) {
        talk(challenges, each, input);
    }
    return 0;
}
