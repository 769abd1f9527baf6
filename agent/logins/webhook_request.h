// SPDX-License-Identifier: Apache-2.0
// Stalwart's webhook: what a delivery says, and which of its events are logins. Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"

namespace sekisho::logins {

// Stalwart puts all that has waited into one delivery: after a time without an answer that may be the logins
// of minutes, at some 300 octets each. A limit that the backlog is over would never let it pass again.
constexpr std::size_t longest_webhook_body = std::size_t{4} * 1024 * 1024;
constexpr std::size_t most_webhook_events = 10'000;

// An event `auth.success`. Of the same login all is the same when Stalwart sends it again, and only then: not
// so its id, which up to 0.16.10 all logins of a second have in common, and which is another one with each
// delivery since.
struct WebhookLogin {
    grants::WallTime when{};
    std::string user;
    Address address;
    std::uint16_t port = 0;  // of the client; 0 if it isn't told
    std::string protocol;    // "imap", "pop3", "smtp", "http", "managesieve"; empty if nothing tells
    bool tls = false;        // by the server's port: TLS from the first byte

    auto operator<=>(const WebhookLogin&) const = default;
};

// One delivery.
struct WebhookRequest {
    std::vector<WebhookLogin> logins;
    std::vector<std::string> unusable;  // of each login that nothing can follow from: why
};

// Reads the events of Stalwart 0.8.3 to 0.16. Other events and unknown members are ignored; a login that
// lacks something doesn't keep the others from being one. Failure::invalid for a body that is no JSON object
// with events, is over one of the limits above, or nested deeper than 32.
[[nodiscard]] Result<WebhookRequest> parse_webhook_request(std::string_view body);

}  // namespace sekisho::logins
