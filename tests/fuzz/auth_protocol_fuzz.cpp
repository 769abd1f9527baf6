// SPDX-License-Identifier: Apache-2.0
// Lines of Dovecot's authentication protocol, as a client's and as a server's, and the responses in them.
#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "smtpd/sasl/auth_protocol.h"
#include "smtpd/sasl/mechanism.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

namespace {

namespace sasl = sekisho::sasl;

// What is printed is one line, and is read as the same message again. Responses are printed as they came:
// only those that are base64 can be expected to come back.
template <class Message, class Parse>
void round_trip(const Message& message, Parse parse) {
    const std::string line = sasl::print(message);
    require(line.ends_with('\n') && std::ranges::count(line, '\n') == 1, "one line");
    if (line.size() > sasl::longest_line) {
        return;  // escapes take more room than what they stand for
    }
    const auto again = parse(std::string_view(line).substr(0, line.size() - 1));
    require(again.has_value(), "what was printed can be read");
    require(*again == message, "and says the same");
}

void respond(const std::string& base64) {
    const auto response = sasl::from_base64(base64);
    if (!response) {
        return;
    }
    require(response->view().size() <= base64.size() / 4 * 3, "base64 doesn't grow");
    for (const std::string_view name : sasl::plaintext_mechanisms) {
        auto mechanism = *sasl::Mechanism::named(name);
        sasl::SecretText copy(response->view());
        const auto step = mechanism.step(std::move(copy));
        if (const auto* const credentials = std::get_if<sasl::Credentials>(&step)) {
            require(!sasl::unfit_name(credentials->user), "a name that may be one");
            require(credentials->password.view().find('\0') == std::string_view::npos,
                    "no NUL in a password");
            require(!credentials->password.empty(), "no empty password");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    sasl::LineBuffer buffer;
    // The first octet says how the input is cut.
    const std::size_t piece = input.empty() ? 1 : 1 + static_cast<unsigned char>(input.front());
    while (!input.empty()) {
        const auto space = buffer.space();
        const std::size_t count = std::min({piece, input.size(), space.size()});
        if (count == 0) {
            break;
        }
        std::copy_n(input.begin(), count, space.begin());
        buffer.filled(count);
        input.remove_prefix(count);
        while (const auto line = buffer.next()) {
            require(line->size() < sasl::longest_line, "lines have a limit");
            if (const auto message = sasl::parse_client_line(*line)) {
                round_trip(*message, sasl::parse_client_line);
                if (const auto* const auth = std::get_if<sasl::Auth>(&*message); auth && auth->response) {
                    respond(*auth->response);
                } else if (const auto* const answer = std::get_if<sasl::Continue>(&*message)) {
                    respond(answer->data);
                }
            }
            if (const auto message = sasl::parse_server_line(*line)) {
                round_trip(*message, sasl::parse_server_line);
            }
        }
    }
    return 0;
}
