// SPDX-License-Identifier: Apache-2.0
// Dovecot's policy requests: the first line is the query, the rest the body.
#include <string_view>

#include "agent/logins/policy_request.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    namespace logins = sekisho::logins;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string_view query = input.substr(0, input.find('\n'));
    const std::string_view body =
        input.substr(query.size() == input.size() ? input.size() : query.size() + 1);
    for (const auto& proof : {std::optional<std::pair<std::string, std::string>>(),
                              std::optional(std::pair<std::string, std::string>("authed", "ok"))}) {
        const auto request = logins::parse_policy_request(query, body, proof);
        if (!request) {
            require(!request.error().what.empty(), "an error has words");
            continue;
        }
        require(request->login.size() <= 255 && request->remote_text.size() <= 255, "names are short");
        require(!request->proven || (proof && request->has_proof), "nothing is proven without proof");
        if (!logins::is_login(*request, proof.has_value())) {
            continue;
        }
        if (proof) {
            require(request->command == logins::PolicyCommand::allow && request->proven,
                    "only what is proven");
            require(body.find("authed") != body.npos || body.find('\\') != body.npos,
                    "the proof stands there");
        } else {
            require(request->command == logins::PolicyCommand::report && request->success, "only a success");
        }
    }
    return 0;
}
