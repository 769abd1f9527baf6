// SPDX-License-Identifier: Apache-2.0
// Dovecot's policy requests: the first line is the query, the rest the body.
#include <string_view>

#include "agent/logins/access_list.h"
#include "agent/logins/failed_tries.h"
#include "agent/logins/policy_request.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

namespace {

// What any request may do to a list and to small tables, which it finds as the ones before have left them.
void judge(const sekisho::logins::PolicyRequest& request) {
    namespace logins = sekisho::logins;
    static const logins::AccessList list({{.priority = 1,
                                           .action = sekisho::AccessAction::deny,
                                           .clients = {sekisho::parse_prefix("192.0.2.0/24").value()},
                                           .users = {"*@[a-z]*.test", "al?ce"},
                                           .protocols = {"pop3"}}});
    const logins::Access access =
        list.judge({.address = request.remote, .user = request.login, .protocol = request.protocol});
    require(access != logins::Access::denied || request.remote, "who has no address comes from nowhere");
    static logins::FailedTries tries({.per_address = 2, .per_network = 3, .per_user = 3, .never = {}}, 4);
    static logins::Moment now{};
    if (!request.remote) {
        return;
    }
    now += std::chrono::seconds(7);
    if (logins::is_failed_try(request)) {
        tries.failed(*request.remote, request.login, now);
    } else if (logins::is_login(request, false)) {
        tries.succeeded(*request.remote, request.login, now);
    }
    require(tries.lockouts(now).size() <= 12, "tables don't grow");
    const auto judgement = tries.judge(*request.remote, request.login, now);
    require(!judgement.lockout || tries.remove(judgement.lockout->lock.who, now), "a lock can be removed");
}

}  // namespace

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
        judge(*request);
        require(!logins::is_failed_try(*request) || !logins::is_login(*request, proof.has_value()),
                "no failed try is a login");
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
