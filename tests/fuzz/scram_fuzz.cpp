// SPDX-License-Identifier: Apache-2.0
// Whole exchanges of SCRAM, a message a line: who doesn't know the password never gets in.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "smtpd/sasl/scram.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace sasl = sekisho::sasl;

namespace {

// The server's nonce is never the same: %R stands for what it has sent.
std::string filled_in(std::string_view message, std::string_view nonce) {
    std::string text(message);
    for (std::size_t at = text.find("%R"); at != std::string::npos; at = text.find("%R", at + nonce.size())) {
        text.replace(at, 2, nonce);
    }
    return text;
}

std::string nonce_in(std::string_view challenge) {
    return challenge.starts_with("r=") ? std::string(challenge.substr(2, challenge.find(',') - 2))
                                       : std::string();
}

void talk(const sasl::Scram& scram, sasl::ScramHash hash, bool plus, std::string_view input) {
    const sasl::ChannelBinding binding{.exporter = plus ? sasl::to_base64("exporter") : std::string()};
    std::string looked_up;
    auto exchange =
        scram.begin(hash, plus, binding, [&looked_up](sasl::ScramHash with, const std::string& name) {
            require(looked_up.empty(), "a login is about one name");
            require(!sasl::unfit_name(name) && sasl::user_key(name) == name, "that may be one");
            looked_up = name;
            return sasl::ScramUser{.keys = sasl::stand_in_scram_keys(with, "secret", name)};
        });
    require(exchange.has_value(), "there is always another exchange");
    std::string nonce;
    for (int steps = 0; !input.empty(); steps++) {
        const std::size_t end = std::min(input.find('\n'), input.size());
        const std::string message = filled_in(input.substr(0, end), nonce);
        input.remove_prefix(std::min(end + 1, input.size()));
        const auto step = exchange->step(sasl::SecretText(message));
        if (const auto* const prompt = std::get_if<sasl::Prompt>(&step)) {
            require(steps == 0, "without the password there is one prompt");
            require(!looked_up.empty() && prompt->text.size() < 2 * message.size() + 200,
                    "of no great length");
            require(message.starts_with('p') == plus, "and with channel binding where it is wanted");
            nonce = nonce_in(prompt->text);
            require(nonce.size() > 10, "with a nonce");
            continue;
        }
        require(!std::holds_alternative<sasl::Proven>(step), "nobody has proven anything");
        if (const auto* const refuted = std::get_if<sasl::Refuted>(&step)) {
            require(refuted->user == looked_up && !refuted->why.empty(), "who was refuted is known");
        } else {
            require(std::holds_alternative<sasl::Malformed>(step), "or it was no message of SCRAM");
        }
        return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static const sasl::Scram scram = sasl::Scram::make().value();
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    for (const sasl::ScramHash hash : sasl::scram_hashes) {
        talk(scram, hash, false, input);
        talk(scram, hash, true, input);
    }
    if (const auto keys = sasl::parse_scram_keys(input)) {
        const std::string text = sasl::print(keys->first, keys->second);
        require(sasl::parse_scram_keys(text) == keys, "keys are written as they are read");
    }
    return 0;
}
