// SPDX-License-Identifier: Apache-2.0
// What an authentication server offers, as far as it is for clients. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "smtpd/sasl/auth_protocol.h"

namespace sekisho::sasl {

// The names, the strongest first: without what is for the server's own use ("private") and without ANONYMOUS,
// which would let everybody in. What binds the channel (-PLUS) is offered by sekisho-auth alone, as private:
// other servers want to be told by other ways what binds it, and other clients of sekisho-auth don't tell.
[[nodiscard]] std::vector<std::string> offered_to_clients(std::span<const Offer> offers);

}  // namespace sekisho::sasl
