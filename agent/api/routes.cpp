// SPDX-License-Identifier: Apache-2.0
// The table of routes: JSON in, a call, JSON out.
#include "agent/api/routes.h"

#include <array>
#include <boost/json.hpp>
#include <string_view>

#include "agent/api/event_routes.h"
#include "agent/api/forms.h"
#include "agent/api/json_answer.h"
#include "agent/api/login_routes.h"
#include "agent/api/parameters.h"
#include "agent/api/subscriber_import.h"

namespace sekisho::api {

namespace json = boost::json;

namespace {

constexpr int ok = 200;
constexpr int created = 201;

template <class T>
Response respond(const Result<T>& result, int status = ok) {
    return result ? json_response(json::value_from(*result), status) : error_response(result.error());
}

// One subscriber, named by an address or by the key that grants of this subscriber have. Any other prefix is
// refused: its first address would stand for somebody, but not for all whom the caller may mean.
Result<Address> subscriber(const Agent& agent, const std::string& text) {
    if (text.find('/') == std::string::npos) {
        return parse_address(text);
    }
    const auto prefix = parse_prefix(text);
    if (!prefix) {
        return std::unexpected(prefix.error());
    }
    const Address& first = prefix->address;
    if (prefix->length == first.bits()) {
        return first;
    }
    const auto key = agent.key_of(first);
    if (key == *prefix) {
        return first;
    }
    return fail(Failure::invalid, prefix->text() + " is not what one subscriber holds",
                "name one address" + (key ? ", or a key: that of " + first.text() + " is " + key->text()
                                          : "; " + first.text() + " lies in no pool"));
}

Result<Address> subscriber_in_path(const Agent& agent, const Request& request, std::string_view prefix) {
    const auto text = decoded(std::string_view(request.path).substr(prefix.size()));
    if (!text) {
        return fail(Failure::invalid, "the path is not percent-encoded correctly");
    }
    return subscriber(agent, *text);
}

Result<std::optional<std::chrono::seconds>> seconds_of(const json::object& body) {
    const json::value* value = body.if_contains("seconds");
    if (value == nullptr) {
        return std::nullopt;
    }
    boost::system::error_code error;
    const auto number = value->to_number<std::int64_t>(error);
    // How many are too many, the agent says: it knows grants.longest.
    if (error || number <= 0) {
        return fail(Failure::invalid, "\"seconds\" is not a positive whole number", "write it like 600");
    }
    return std::chrono::seconds(number);
}

Result<std::optional<std::uint32_t>> budget_in(const json::object& body) {
    const json::value* value = body.if_contains("budget");
    if (value == nullptr) {
        return std::nullopt;
    }
    boost::system::error_code error;
    const auto number = value->to_number<std::uint32_t>(error);
    if (error) {
        return fail(Failure::invalid, "\"budget\" is not a whole number of connections",
                    "write it like 50; 0 stands for any number");
    }
    return number;
}

Result<Scope> scope_in(const json::object& body) {
    if (!body.contains("scope")) {
        return Scope();
    }
    const auto text = text_of(body, "scope", false);
    return text ? parse_scope(*text) : std::unexpected(text.error());
}

// What the orders for one grant and for many have in common.
struct GrantTerms {
    std::optional<std::chrono::seconds> lifetime;
    std::optional<std::uint32_t> budget;
    Scope scope;
    std::string reason;
};

Result<GrantTerms> terms_in(const json::object& body) {
    auto reason = text_of(body, "reason", false);
    if (!reason) {
        return std::unexpected(reason.error());
    }
    const auto seconds = seconds_of(body);
    if (!seconds) {
        return std::unexpected(seconds.error());
    }
    const auto budget = budget_in(body);
    if (!budget) {
        return std::unexpected(budget.error());
    }
    const auto scope = scope_in(body);
    if (!scope) {
        return std::unexpected(scope.error());
    }
    return GrantTerms{.lifetime = *seconds, .budget = *budget, .scope = *scope, .reason = std::move(*reason)};
}

Response add_grant(Agent& agent, const Request& request) {
    const auto body = body_of(request, {"address", "seconds", "budget", "scope", "reason"});
    if (!body) {
        return error_response(body.error());
    }
    const auto text = text_of(*body, "address", true);
    const auto terms = terms_in(*body);
    if (!text || !terms) {
        return error_response(!text ? text.error() : terms.error());
    }
    const auto address = subscriber(agent, *text);
    if (!address) {
        return error_response(address.error());
    }
    const auto before = agent.grant(*address);
    const auto granted = agent.add_grant({.address = *address,
                                          .lifetime = terms->lifetime,
                                          .budget = terms->budget,
                                          .scope = terms->scope,
                                          .reason = terms->reason,
                                          .by = request.peer.text()});
    if (!granted) {
        return error_response(granted.error());
    }
    const bool kept = before && before->expires == granted->expires &&
                      before->edge_until == granted->edge_until &&
                      before->relay_until == granted->relay_until;
    json::value answer = json::value_from(*granted);
    answer.as_object()["kept"] = kept;
    return json_response(answer, kept ? ok : created);
}

Result<std::vector<Address>> addresses_in(const Agent& agent, const json::object& body) {
    const json::value* const list = body.if_contains("addresses");
    if (list == nullptr || !list->is_array()) {
        return fail(Failure::invalid, "\"addresses\" is missing or no array");
    }
    std::vector<Address> addresses;
    addresses.reserve(list->get_array().size());
    for (const json::value& each : list->get_array()) {
        if (!each.is_string()) {
            return fail(Failure::invalid, "\"addresses\" has something that is no string");
        }
        const auto address = subscriber(agent, std::string(each.get_string()));
        if (!address) {
            return std::unexpected(address.error());
        }
        addresses.push_back(*address);
    }
    return addresses;
}

Response import_grants(Agent& agent, const Request& request) {
    const auto body = body_of(request, {"addresses", "seconds", "budget", "scope", "reason"});
    if (!body) {
        return error_response(body.error());
    }
    const auto addresses = addresses_in(agent, *body);
    const auto terms = terms_in(*body);
    if (!addresses || !terms) {
        return error_response(!addresses ? addresses.error() : terms.error());
    }
    return respond(agent.import_grants({.addresses = *addresses,
                                        .lifetime = terms->lifetime,
                                        .budget = terms->budget,
                                        .scope = terms->scope,
                                        .reason = terms->reason,
                                        .by = request.peer.text()}));
}

Response add_quarantine(Agent& agent, const Request& request) {
    const auto body = body_of(request, {"address", "note"});
    if (!body) {
        return error_response(body.error());
    }
    const auto text = text_of(*body, "address", true);
    const auto note = text_of(*body, "note", false);
    if (!text || !note) {
        return error_response(!text ? text.error() : note.error());
    }
    const auto address = subscriber(agent, *text);
    return address ? respond(agent.add_quarantine({*address, *note, request.peer.text()}), created)
                   : error_response(address.error());
}

Response add_exemption(Agent& agent, const Request& request) {
    const auto body = body_of(request, {"prefix", "note"});
    if (!body) {
        return error_response(body.error());
    }
    const auto text = text_of(*body, "prefix", true);
    const auto note = text_of(*body, "note", false);
    if (!text || !note) {
        return error_response(!text ? text.error() : note.error());
    }
    const auto prefix = parse_prefix(*text);
    return prefix ? respond(agent.add_exemption({*prefix, *note, request.peer.text()}), created)
                  : error_response(prefix.error());
}

Response remove_exemption(Agent& agent, const Request& request) {
    const auto text = required(request, "prefix");
    if (!text) {
        return error_response(text.error());
    }
    const auto prefix = parse_prefix(*text);
    return prefix ? done_response(agent.remove_exemption({*prefix, {}, request.peer.text()}))
                  : error_response(prefix.error());
}

Response why(Agent& agent, const Request& request) {
    const auto text = required(request, "address");
    if (!text) {
        return error_response(text.error());
    }
    const auto address = subscriber(agent, *text);
    if (!address) {
        return error_response(address.error());
    }
    std::optional<Address> destination;
    if (const auto other = parameter(request, "destination")) {
        const auto parsed = parse_address(*other);
        if (!parsed) {
            return error_response(parsed.error());
        }
        destination = *parsed;
    }
    return respond(agent.why(*address, destination));
}

Response list_grants(Agent& agent, const Request& request) {
    constexpr std::size_t usual = 1'000;
    const auto count = count_in(request, usual);
    const auto after = prefix_in(request, "after");
    const auto within = prefix_in(request, "within");
    const auto session = number_in(request, "session");
    if (!count || !after || !within || !session) {
        return error_response(!count    ? count.error()
                              : !after  ? after.error()
                              : !within ? within.error()
                                        : session.error());
    }
    const GrantListing listing = agent.grants({.count = *count,
                                               .after = *after,
                                               .within = *within,
                                               .user = parameter(request, "user").value_or(""),
                                               .source = parameter(request, "source").value_or(""),
                                               .session = session->value_or(0)});
    return json_response({{"grants", json::value_from(listing.grants)},
                          {"next", listing.next ? json::value(listing.next->text()) : json::value(nullptr)},
                          {"cool_downs", json::value_from(agent.cool_downs())}});
}

constexpr std::string_view grant_prefix = "/v1/grants/";

Response show_grant(Agent& agent, const Request& request) {
    const auto address = subscriber_in_path(agent, request, grant_prefix);
    return address ? respond(agent.grant(*address)) : error_response(address.error());
}

Response revoke_grant(Agent& agent, const Request& request) {
    const auto address = subscriber_in_path(agent, request, grant_prefix);
    if (!address) {
        return error_response(address.error());
    }
    const auto revoked = agent.revoke_grant({.address = *address,
                                             .kill = parameter(request, "kill") == "true",
                                             .cool_down = parameter(request, "cool_down") != "false",
                                             .by = request.peer.text()});
    if (!revoked) {
        return error_response(revoked.error());
    }
    // Whoever closes a port must not be left to think that it is closed.
    const auto now = agent.why(*address, std::nullopt);
    return now && now->reason == "exempt" ? json_response(json::object{{"exempt", true}})
                                          : done_response(revoked);
}

constexpr std::string_view quarantine_prefix = "/v1/quarantines/";

Response remove_quarantine(Agent& agent, const Request& request) {
    const auto address = subscriber_in_path(agent, request, quarantine_prefix);
    return address ? done_response(agent.remove_quarantine({*address, {}, request.peer.text()}))
                   : error_response(address.error());
}

constexpr std::string_view lockout_prefix = "/v1/lockouts/";

Response remove_lockout(Agent& agent, const Request& request) {
    const auto who = decoded(std::string_view(request.path).substr(lockout_prefix.size()));
    return who ? done_response(agent.remove_lockout(*who, request.peer.text()))
               : error_response({Failure::invalid, "the path is not percent-encoded correctly", {}});
}

template <class List>
Response list_response(std::string_view name, const List& list) {
    json::object body;
    body[name] = json::value_from(list);
    return json_response(body);
}

Response blocked(Agent& agent, const Request& request) {
    constexpr std::size_t usual = 20;
    const auto count = count_in(request, usual);
    if (!count) {
        return error_response(count.error());
    }
    const auto list = agent.blocked(*count);
    return list ? list_response("blocked", *list) : error_response(list.error());
}

constexpr std::string_view subscriber_prefix = "/v1/subscribers/";

Response list_subscribers(Agent& agent, const Request& request) {
    constexpr std::size_t usual = 1'000;
    const auto count = count_in(request, usual);
    const auto within = prefix_in(request, "within");
    if (!count || !within) {
        return error_response(!count ? count.error() : within.error());
    }
    std::optional<std::uint64_t> from = 0;
    if (const auto text = parameter(request, "from")) {
        from = number_of(*text);
    }
    if (!from) {
        return error_response({Failure::invalid, "\"from\" is no id of a subscriber",
                               "give the number that stands as \"next\" in the page before"});
    }
    return json_response(
        json::value_from(agent.subscribers({.count = *count,
                                            .from = *from,
                                            .within = *within,
                                            .user = parameter(request, "user").value_or(""),
                                            .nas = parameter(request, "nas").value_or("")})));
}

Response show_subscriber(Agent& agent, const Request& request) {
    const auto text = decoded(std::string_view(request.path).substr(subscriber_prefix.size()));
    if (text && !text->empty() && text->find_first_not_of("0123456789") == std::string::npos) {
        const auto id = number_of(*text);
        return id ? respond(agent.subscriber(*id))
                  : error_response({Failure::not_found, "no subscriber has so large an id", {}});
    }
    const auto address = subscriber_in_path(agent, request, subscriber_prefix);
    return address ? respond(agent.subscriber_of(*address)) : error_response(address.error());
}

Response import_subscribers(Agent& agent, const Request& request) {
    const auto body = body_of(request, {"subscribers"});
    if (!body) {
        return error_response(body.error());
    }
    const auto list = subscribers_in(*body);
    return list ? respond(agent.import_subscribers(*list, request.peer.text()))
                : error_response(list.error());
}

struct Route {
    std::string_view method;
    std::string_view path;  // ends in "/" where an address follows
    Response (*answer)(Agent& agent, const Request& request);
};

constexpr std::array<Route, 28> routes = {{
    {"GET", "/v1/version",
     [](Agent& agent, const Request&) { return json_response(json::value_from(agent.version())); }},
    {"GET", "/v1/status", [](Agent& agent, const Request&) { return respond(agent.status()); }},
    {"GET", "/v1/doctor",
     [](Agent& agent, const Request&) { return list_response("checks", agent.doctor()); }},
    {"GET", "/v1/interfaces",
     [](Agent& agent, const Request&) { return list_response("interfaces", agent.interfaces()); }},
    {"GET", "/v1/grants", list_grants},
    {"POST", "/v1/grants", add_grant},
    {"POST", "/v1/grants/import", import_grants},
    {"GET", grant_prefix, show_grant},
    {"DELETE", grant_prefix, revoke_grant},
    {"GET", "/v1/blocked", blocked},
    {"GET", "/v1/quarantines",
     [](Agent& agent, const Request&) { return list_response("quarantines", agent.quarantines()); }},
    {"POST", "/v1/quarantines", add_quarantine},
    {"DELETE", quarantine_prefix, remove_quarantine},
    {"GET", "/v1/lockouts",
     [](Agent& agent, const Request&) { return list_response("lockouts", agent.lockouts()); }},
    {"DELETE", lockout_prefix, remove_lockout},
    {"GET", "/v1/exemptions",
     [](Agent& agent, const Request&) { return list_response("exemptions", agent.exemptions()); }},
    {"POST", "/v1/exemptions", add_exemption},
    {"DELETE", "/v1/exemptions", remove_exemption},
    {"GET", "/v1/subscribers", list_subscribers},
    {"POST", subscriber_import_path, import_subscribers},
    {"GET", subscriber_prefix, show_subscriber},
    {"GET", "/v1/why", why},
    {"GET", events_path, list_events},
    {"GET", logins_path,
     [](Agent& agent, const Request&) { return list_response("reporters", agent.reporters()); }},
    {"POST", logins_path, report_login},
    {"GET", relay_prefix, show_relay_right},
    {"GET", locked_prefix, show_locked},
    {"GET", "/metrics",
     [](Agent& agent, const Request&) {
         return Response{.status = ok,
                         .body = agent.metrics(),
                         .content_type = "text/plain; version=0.0.4",
                         .headers = {}};
     }},
}};

bool fits(const Route& route, std::string_view path) {
    return route.path.ends_with('/') ? path.starts_with(route.path) && path.size() > route.path.size()
                                     : path == route.path;
}

// Why a caller may not even ask; nothing if it may.
std::optional<Error> refused(const Request& request, Role role) {
    const auto refusal = [&request](const char* what, const char* remedy) {
        return Error{.kind = Failure::refused, .what = request.peer.text() + what, .remedy = remedy};
    };
    constexpr const char* become_operator = "run as root, or name the user in api.operators";
    if (request.path == logins_path && request.method == "POST") {
        // An operator's word for a login is none: he has `grant add`.
        return role == Role::reporter || request.peer.user == 0
                   ? std::nullopt
                   : std::optional(refusal(" may not report logins",
                                           "name the user as reporter in [login.submission]"));
    }
    if (role == Role::reporter) {
        const bool asks = request.path.starts_with(relay_prefix) || request.path.starts_with(locked_prefix);
        return asks && request.method == "GET"
                   ? std::nullopt
                   : std::optional(refusal(" may only report logins, and ask who may relay or log in",
                                           become_operator));
    }
    if (role == Role::none) {
        return refusal(" may not use this socket",
                       request.method == "GET"
                           ? "run as root, or name the user in api.viewers or api.operators"
                           : become_operator);
    }
    if (role == Role::viewer && request.method != "GET") {
        return refusal(" may not change anything", become_operator);
    }
    return std::nullopt;
}

}  // namespace

Response answer(Agent& agent, const Request& request, Role role) {
    if (const auto refusal = refused(request, role)) {
        return error_response(*refusal);
    }
    std::string allowed;
    for (const Route& route : routes) {
        if (!fits(route, request.path)) {
            continue;
        }
        if (route.method == request.method) {
            return route.answer(agent, request);
        }
        allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    }
    if (allowed.empty()) {
        return unknown_path(request);
    }
    return unknown_method(request, allowed);
}

}  // namespace sekisho::api
