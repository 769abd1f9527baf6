// SPDX-License-Identifier: Apache-2.0
// What a session is told of its listener and its client. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/config_mail.h"
#include "smtpd/session/session.h"

namespace sekisho::policy {

// Whether this client may send without a login: its address is in one of the listener's networks of trust, or
// it has come by one of its interfaces. Empty: by which one isn't known, or it is a balancer's.
[[nodiscard]] bool is_trusted(const ListenerConfig& listener, const Address& client,
                              const std::string& interface = {});
[[nodiscard]] bool is_interface_of_trust(const ListenerConfig& listener, const std::string& interface);
// Which network; null if none.
[[nodiscard]] const Prefix* network_of_trust(const ListenerConfig& listener, const Address& client);

// Whether this host may say by XCLIENT for whom it speaks.
[[nodiscard]] bool speaks_for_others(const ListenerConfig& listener, const Address& client);

// Whether a mechanism of SASL shows nobody who listens the password, or what could be used in its place
// (CRAM-MD5, DIGEST-MD5, SCRAM): such may be used outside of TLS, where the operator wants that.
[[nodiscard]] bool hides_password(std::string_view mechanism);

// The settings of a session. `submission.hostname` must have been filled in by the caller, where the
// configuration leaves it to the machine.
[[nodiscard]] session::Settings settings_of(const ListenerConfig& listener,
                                            const SubmissionConfig& submission, const RelayConfig& relay,
                                            const Address& client);

}  // namespace sekisho::policy
