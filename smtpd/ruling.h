// SPDX-License-Identifier: Apache-2.0
// The table of rules (policy/relay.h), and who is asked for what it must know.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "smtpd/agent_link.h"
#include "smtpd/handoff/client.h"
#include "smtpd/policy/relay.h"

namespace sekisho {

// Asks the agent (null: there is none) and the relay what of the facts isn't known and matters, and says what
// comes of all of them.
[[nodiscard]] boost::asio::awaitable<policy::Ruling> rule_on(policy::RelayFacts& facts, AgentLink* agent,
                                                             handoff::HandoffClient& relay);

}  // namespace sekisho
