// SPDX-License-Identifier: Apache-2.0
// The rules of [[submission.listener]], applied to one client.
#include "smtpd/policy/connection.h"

#include <algorithm>
#include <array>

#include "agent/base/pattern.h"

namespace sekisho::policy {

bool is_trusted(const ListenerConfig& listener, const Address& client, const std::string& interface) {
    return network_of_trust(listener, client) != nullptr || is_interface_of_trust(listener, interface);
}

bool is_interface_of_trust(const ListenerConfig& listener, const std::string& interface) {
    return !interface.empty() && fits_any(listener.relay_interfaces, interface);
}

const Prefix* network_of_trust(const ListenerConfig& listener, const Address& client) {
    const auto found = std::ranges::find_if(
        listener.relay, [&client](const Prefix& network) { return network.contains(client); });
    return found == listener.relay.end() ? nullptr : &*found;
}

bool speaks_for_others(const ListenerConfig& listener, const Address& client) {
    return std::ranges::any_of(listener.xclient,
                               [&client](const Prefix& each) { return each.contains(client); });
}

bool hides_password(std::string_view mechanism) {
    constexpr std::array<std::string_view, 4> all = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
                                                     "CRAM-MD5"};
    return std::ranges::find(all, mechanism) != all.end();
}

session::Settings settings_of(const ListenerConfig& listener, const SubmissionConfig& submission,
                              const RelayConfig& relay, const Address& client) {
    session::Settings settings;
    settings.hostname = submission.hostname;
    settings.postmaster_domain =
        relay.local.empty() ? submission.hostname : relay.local.front().domains.front();
    settings.client = client.text();
    settings.tls_offered = listener.tls == TlsMode::starttls;
    settings.tls_active = listener.tls == TlsMode::implicit;
    settings.largest_message = submission.largest_message;
    settings.recipients = submission.recipients;
    settings.errors = submission.errors;
    settings.dsn = !listener.local;
    return settings;
}

}  // namespace sekisho::policy
