// SPDX-License-Identifier: Apache-2.0
// Reads the JSON of Dovecot's auth-policy.c.
#include "agent/logins/policy_request.h"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>

#include "agent/logins/json_body.h"

namespace sekisho::logins {

namespace json = boost::json;

namespace {

constexpr std::size_t deepest_policy_body = 4;

// Dovecot appends it to its URL, behind "?", or behind a query that ends with "&".
Result<PolicyCommand> command_of(std::string_view query) {
    const std::string_view last = query.substr(query.rfind('&') + 1);
    if (last == "command=allow") {
        return PolicyCommand::allow;
    }
    if (last == "command=report") {
        return PolicyCommand::report;
    }
    return fail(Failure::invalid, "the target has neither ?command=allow nor ?command=report",
                "set auth_policy_server_url to http://ADDRESS:PORT/ without a query");
}

Result<bool> flag_of(const json::object& body, std::string_view name) {
    const json::value* value = body.if_contains(name);
    if (value == nullptr || value->is_null()) {
        return false;
    }
    if (!value->is_bool()) {
        return fail(Failure::invalid, "\"" + std::string(name) + "\" is neither true nor false");
    }
    return value->get_bool();
}

// true, "TLS", "TLSv1.3", ...; false, "" or nothing is not.
Result<bool> tls_of(const json::object& body) {
    const json::value* value = body.if_contains("tls");
    if (value != nullptr && value->is_string()) {
        return !value->get_string().empty();
    }
    return flag_of(body, "tls");
}

// Reads the members into `request`; the first complaint, if any.
Result<void> read_members(const json::object& body, PolicyRequest& request) {
    for (const auto& [name, text] :
         {std::pair("login", &request.login), std::pair("remote", &request.remote_text),
          std::pair("protocol", &request.protocol), std::pair("mech", &request.mechanism),
          std::pair("fail_type", &request.fail_type)}) {
        auto value = text_of(body, name);
        if (!value) {
            return std::unexpected(value.error());
        }
        *text = std::move(*value);
    }
    for (const auto& [name, flag] :
         {std::pair("success", &request.success), std::pair("policy_reject", &request.policy_reject)}) {
        const auto value = flag_of(body, name);
        if (!value) {
            return std::unexpected(value.error());
        }
        *flag = *value;
    }
    const auto tls = tls_of(body);
    if (!tls) {
        return std::unexpected(tls.error());
    }
    request.tls = *tls;
    return {};
}

}  // namespace

Result<PolicyRequest> parse_policy_request(std::string_view query, std::string_view body,
                                           const std::optional<std::pair<std::string, std::string>>& proof) {
    const auto command = command_of(query);
    if (!command) {
        return std::unexpected(command.error());
    }
    BriefMemory memory;
    const auto members = object_of(body, longest_policy_body, deepest_policy_body, memory.get());
    if (!members) {
        return std::unexpected(members.error());
    }
    PolicyRequest request;
    request.command = *command;
    if (auto read = read_members(*members, request); !read) {
        return std::unexpected(read.error());
    }
    if (const auto address = parse_address(request.remote_text)) {
        request.remote = *address;
    }
    if (proof) {
        const auto word = text_of(*members, proof->first);
        if (!word) {
            return std::unexpected(word.error());
        }
        request.has_proof = members->if_contains(proof->first) != nullptr;
        request.proven = request.has_proof && *word == proof->second;
    }
    return request;
}

bool is_login(const PolicyRequest& request, bool proof_configured) {
    if (proof_configured) {
        return request.command == PolicyCommand::allow && request.proven;
    }
    return request.command == PolicyCommand::report && request.success && !request.policy_reject;
}

bool is_failed_try(const PolicyRequest& request) {
    constexpr std::array<std::string_view, 4> no_tries = {"internal", "expired", "disabled", "policy"};
    return request.command == PolicyCommand::report && !request.success && !request.policy_reject &&
           std::ranges::find(no_tries, request.fail_type) == no_tries.end();
}

}  // namespace sekisho::logins
