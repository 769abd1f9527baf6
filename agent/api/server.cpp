// SPDX-License-Identifier: Apache-2.0
// The API's listener.
#include "agent/api/server.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "agent/api/json_answer.h"

namespace sekisho::api {

namespace {

constexpr mode_t for_everybody = 0666;  // role_of decides who may do what
constexpr std::size_t longest_record = 16'384;

// The name of a user, empty if there is none.
std::string user_name(uid_t user) {
    std::array<char, longest_record> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return {};
    }
    return found->pw_name;
}

}  // namespace

Role role_of(const ApiConfig& config, const Peer& peer, std::string_view reporter) {
    if (!peer.user) {
        return Role::none;
    }
    if (*peer.user == 0 || *peer.user == ::geteuid()) {
        return Role::operator_;
    }
    const std::string name = user_name(*peer.user);
    if (name.empty()) {
        return Role::none;
    }
    // First: it meets strangers, and is to have no more than it needs, whatever else names it.
    if (name == reporter) {
        return Role::reporter;
    }
    if (std::ranges::find(config.operators, name) != config.operators.end()) {
        return Role::operator_;
    }
    return std::ranges::find(config.viewers, name) != config.viewers.end() ? Role::viewer : Role::none;
}

std::optional<Response> turned_away(const ApiConfig& config, const Request& request) {
    const Role role = role_of(config, request.peer);
    const bool looks = request.method == "GET";
    if (role == Role::operator_ || (role == Role::viewer && looks)) {
        return std::nullopt;
    }
    return error_response(
        {.kind = Failure::refused,
         .what = request.peer.text() + " may not " + (looks ? "use this socket" : "change anything"),
         .remedy = looks ? "run as root, or name the user in api.viewers or api.operators"
                         : "run as root, or name the user in api.operators"});
}

Result<HttpServer> serve(const boost::asio::any_io_executor& executor, const ApiConfig& config, Agent& agent,
                         const std::string& reporter) {
    static constexpr HttpLimits limits;
    return HttpServer::listen_unix(
        executor, config.socket, for_everybody,
        [&config, &agent, reporter](const Request& request) -> boost::asio::awaitable<Response> {
            const Role role = role_of(config, request.peer, reporter);
            const std::chrono::seconds wait = wait_of(request);
            const bool may_wait =
                wait > std::chrono::seconds(0) && (role == Role::viewer || role == Role::operator_);
            if (may_wait) {
                co_await agent.wait_for_event(after_of(request), wait);
            }
            Response response = answer(agent, request, role);
            co_await agent.settled();
            co_return response;
        },
        limits, {},
        [&config, reporter](const Request& request) {
            // The path first: whose user somebody is costs a look into files.
            const bool wide = request.path == subscriber_import_path &&
                              role_of(config, request.peer, reporter) == Role::operator_;
            return wide ? largest_subscriber_import : limits.body;
        });
}

}  // namespace sekisho::api
