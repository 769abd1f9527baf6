// SPDX-License-Identifier: Apache-2.0
// What the submission server says of a login, and what it asks.
#include "agent/api/login_routes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/forms.h"
#include "agent/api/json_answer.h"
#include "agent/api/parameters.h"
#include "agent/base/time_text.h"

namespace sekisho::api {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_protocol = 32;
// What a user is called besides his name.
constexpr std::size_t most_names = 4;
constexpr std::size_t longest_name = 255;

// A member that is true or false; nothing if it is missing.
Result<std::optional<bool>> flag_of(const json::object& body, std::string_view name) {
    const json::value* const value = body.if_contains(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_bool()) {
        return fail(Failure::invalid, "\"" + std::string(name) + "\" is neither true nor false");
    }
    return value->get_bool();
}

Result<std::optional<std::uint16_t>> port_of(const json::object& body) {
    const json::value* const value = body.if_contains("port");
    if (value == nullptr) {
        return std::nullopt;
    }
    boost::system::error_code error;
    const auto port = value->to_number<std::uint16_t>(error);
    if (error || port == 0) {
        return fail(Failure::invalid, "\"port\" is no number from 1 to " +
                                          std::to_string(std::numeric_limits<std::uint16_t>::max()));
    }
    return port;
}

// What else the user is called.
Result<std::vector<std::string>> names_of(const json::object& body) {
    std::vector<std::string> names;
    const json::value* const value = body.if_contains("also");
    if (value == nullptr) {
        return names;
    }
    const json::array* const list = value->if_array();
    const auto is_name = [](const json::value& each) {
        return each.is_string() && each.get_string().size() <= longest_name;
    };
    if (list == nullptr || list->size() > most_names || !std::ranges::all_of(*list, is_name)) {
        return fail(Failure::invalid,
                    "\"also\" is no list of up to " + std::to_string(most_names) + " names");
    }
    for (const json::value& each : *list) {
        names.emplace_back(each.get_string());
    }
    return names;
}

Result<LoginReport> report_in(const Request& request) {
    const auto body =
        body_of(request, {"address", "port", "user", "also", "protocol", "mechanism", "tls", "success"});
    if (!body) {
        return std::unexpected(body.error());
    }
    const auto text = text_of(*body, "address", true);
    const auto user = text_of(*body, "user", true);
    const auto protocol = text_of(*body, "protocol", true);
    const auto mechanism = text_of(*body, "mechanism", false);
    for (const auto* const each : {&text, &user, &protocol, &mechanism}) {
        if (!*each) {
            return std::unexpected(each->error());
        }
    }
    const auto address = parse_address(*text);
    if (!address) {
        return std::unexpected(address.error());
    }
    const auto also = names_of(*body);
    const auto port = port_of(*body);
    const auto tls = flag_of(*body, "tls");
    const auto success = flag_of(*body, "success");
    if (!also || !port || !tls || !success) {
        return std::unexpected(!also   ? also.error()
                               : !port ? port.error()
                               : !tls  ? tls.error()
                                       : success.error());
    }
    if (!success->has_value()) {
        return fail(Failure::invalid, "\"success\" is missing");
    }
    if (protocol->empty() || protocol->size() > longest_protocol) {
        return fail(Failure::invalid, "\"protocol\" is not a word like smtp");
    }
    return LoginReport{.address = *address,
                       .port = *port,
                       .user = *user,
                       .also = *also,
                       .protocol = *protocol,
                       .mechanism = *mechanism,
                       .tls = tls->value_or(true),  // it takes no login without
                       .success = success->value_or(false)};
}

Result<Address> address_behind(std::string_view prefix, const Request& request) {
    const auto text = decoded(std::string_view(request.path).substr(prefix.size()));
    if (!text) {
        return fail(Failure::invalid, "the path is not percent-encoded correctly");
    }
    return parse_address(*text);
}

}  // namespace

Response report_login(Agent& agent, const Request& request) {
    const auto report = report_in(request);
    if (!report) {
        return error_response(report.error());
    }
    const auto outcome = agent.report_login(*report);
    return outcome ? json_response(json::value_from(*outcome)) : error_response(outcome.error());
}

Response show_locked(Agent& agent, const Request& request) {
    const auto address = address_behind(locked_prefix, request);
    if (!address) {
        return error_response(address.error());
    }
    const std::string user = parameter(request, "user").value_or("");
    const auto also = parameters(request, "also");
    if (also.size() > most_names) {
        return error_response(
            {.kind = Failure::invalid, .what = "more names than anybody has", .remedy = {}});
    }
    return json_response(json::object{{"locked", agent.locks_login(*address, user, also)}});
}

Response show_relay_right(Agent& agent, const Request& request) {
    const auto address = address_behind(relay_prefix, request);
    if (!address) {
        return error_response(address.error());
    }
    const auto right = agent.relay_right(*address);
    return json_response(
        right ? json::object{{"relay", true}, {"user", right->user}, {"until", rfc3339(right->until)}}
              : json::object{{"relay", false}});
}

}  // namespace sekisho::api
