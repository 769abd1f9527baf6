// SPDX-License-Identifier: Apache-2.0
// Reads the JSON of Stalwart's event serializer.
#include "agent/logins/webhook_request.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/logins/json_body.h"
#include "agent/logins/log_line.h"

namespace sekisho::logins {

namespace json = boost::json;

namespace {

// An event of another kind may hold errors within errors.
constexpr std::size_t deepest_webhook_body = 32;

struct ServerPort {
    std::uint16_t port;
    std::string_view protocol;
    bool tls;
};

constexpr std::array<ServerPort, 12> server_ports = {{{25, "smtp", false},
                                                      {587, "smtp", false},
                                                      {465, "smtp", true},
                                                      {143, "imap", false},
                                                      {993, "imap", true},
                                                      {110, "pop3", false},
                                                      {995, "pop3", true},
                                                      {80, "http", false},
                                                      {8080, "http", false},
                                                      {443, "http", true},
                                                      {8443, "http", true},
                                                      {4190, "managesieve", false}}};

// How the names of listeners begin, and what is spoken there.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> listener_names = {
    {{"imap", "imap"},
     {"pop3", "pop3"},
     {"smtp", "smtp"},
     {"submission", "smtp"},
     {"lmtp", "smtp"},
     {"http", "http"},
     {"jmap", "http"},
     {"sieve", "managesieve"},
     {"managesieve", "managesieve"}}};

// What the event tells besides; a form that isn't known is nothing.
std::uint16_t port_in(const json::object& data, std::string_view name) {
    constexpr std::int64_t highest = 65'535;
    const json::value* value = data.if_contains(name);
    const std::int64_t* number = value == nullptr ? nullptr : value->if_int64();
    return number != nullptr && *number > 0 && *number <= highest ? static_cast<std::uint16_t>(*number) : 0;
}

// 0.8 says it ("Imap"). Since then only the listener is known: its name, which Stalwart gives ("imaps") or
// the operator, and its port.
std::string protocol_in(const json::object& data) {
    for (const std::string_view member : {"protocol", "listenerId"}) {
        const std::string name = lowered(text_of(data, member).value_or(""));
        for (const auto& [beginning, protocol] : listener_names) {
            if (name.starts_with(beginning)) {
                return std::string(protocol);
            }
        }
    }
    const auto* const known = std::ranges::find(server_ports, port_in(data, "localPort"), &ServerPort::port);
    return known == server_ports.end() ? std::string() : std::string(known->protocol);
}

bool tls_in(const json::object& data) {
    const auto* const known = std::ranges::find(server_ports, port_in(data, "localPort"), &ServerPort::port);
    return known != server_ports.end() && known->tls;
}

// RFC 3339, whole: time_of() would overlook what follows.
bool is_moment(std::string_view stamp) {
    constexpr std::string_view decimal = "0123456789";
    constexpr std::size_t whole_seconds = 19;
    if (stamp.size() <= whole_seconds || stamp[10] != 'T') {
        return false;
    }
    std::string_view rest = stamp.substr(whole_seconds);
    if (rest.starts_with('.')) {
        const std::size_t end = std::min(rest.find_first_not_of(decimal, 1), rest.size());
        if (end == 1) {
            return false;
        }
        rest.remove_prefix(end);
    }
    if (rest == "Z") {
        return true;
    }
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') {
        return false;
    }
    const std::string_view hours = rest.substr(1, 2);
    const std::string_view minutes = rest.substr(4);
    return hours.find_first_not_of(decimal) == std::string_view::npos && hours < "24" &&
           minutes.find_first_not_of(decimal) == std::string_view::npos && minutes < "60";
}

Result<grants::WallTime> moment_of(const json::object& event) {
    const auto stamp = text_of(event, "createdAt");
    if (!stamp) {
        return std::unexpected(stamp.error());
    }
    const auto no_zone = [](const std::tm&) -> std::optional<std::time_t> { return std::nullopt; };
    const auto when = is_moment(*stamp) ? time_of(*stamp, {}, no_zone) : std::nullopt;
    if (!when) {
        return fail(Failure::invalid, "\"createdAt\" is no time: '" + *stamp + "'");
    }
    return *when;
}

// "accountName" since 0.9.1, "name" in 0.9.0, "login" in 0.8.
Result<std::string> user_in(const json::object& data) {
    for (const std::string_view member : {"accountName", "name", "login"}) {
        auto user = text_of(data, member);
        if (!user || !user->empty()) {
            return user;
        }
    }
    return fail(Failure::invalid, "a login without \"accountName\"");
}

Result<Address> address_in(const json::object& data) {
    const auto text = text_of(data, "remoteIp");
    if (!text) {
        return std::unexpected(text.error());
    }
    const auto address = parse_address(*text);
    if (!address) {
        return fail(Failure::invalid, "a login without an address: \"remoteIp\" is '" + *text + "'");
    }
    return address->unmapped();
}

Result<WebhookLogin> login_of(const json::object& event) {
    const json::value* const data = event.if_contains("data");
    if (data == nullptr || !data->is_object()) {
        return fail(Failure::invalid, "a login without \"data\"");
    }
    const json::object& members = data->get_object();
    const auto when = moment_of(event);
    if (!when) {
        return std::unexpected(when.error());
    }
    auto user = user_in(members);
    if (!user) {
        return std::unexpected(user.error());
    }
    const auto address = address_in(members);
    if (!address) {
        return std::unexpected(address.error());
    }
    return WebhookLogin{.when = *when,
                        .user = std::move(*user),
                        .address = *address,
                        .port = port_in(members, "remotePort"),
                        .protocol = protocol_in(members),
                        .tls = tls_in(members)};
}

bool is_success(const json::value& event) {
    const json::object* const members = event.if_object();
    const json::value* const type = members == nullptr ? nullptr : members->if_contains("type");
    return type != nullptr && type->is_string() && type->get_string() == "auth.success";
}

}  // namespace

Result<WebhookRequest> parse_webhook_request(std::string_view body) {
    BriefMemory memory;
    const auto members = object_of(body, longest_webhook_body, deepest_webhook_body, memory.get());
    if (!members) {
        return std::unexpected(members.error());
    }
    const json::value* const events = members->if_contains("events");
    if (events == nullptr || !events->is_array()) {
        return fail(Failure::invalid, "\"events\" is no array");
    }
    if (events->get_array().size() > most_webhook_events) {
        return fail(Failure::invalid, "over " + std::to_string(most_webhook_events) + " events at once",
                    "let the webhook send auth.success alone, and keep what waits for a shorter time");
    }
    WebhookRequest request;
    for (const json::value& event : events->get_array()) {
        if (!is_success(event)) {
            continue;
        }
        if (auto login = login_of(event.get_object())) {
            request.logins.push_back(std::move(*login));
        } else {
            request.unusable.push_back(login.error().what);
        }
    }
    return request;
}

}  // namespace sekisho::logins
