// SPDX-License-Identifier: Apache-2.0
// Each is asked at most once.
#include "smtpd/ruling.h"

#include <string>
#include <utility>

namespace sekisho {

boost::asio::awaitable<policy::Ruling> rule_on(policy::RelayFacts& facts, AgentLink* agent,
                                               handoff::HandoffClient& relay) {
    while (true) {
        policy::Ruling ruling = policy::judge_relay(facts);
        if (ruling.opinion == policy::Opinion::ask_agent) {
            facts.grant = co_await ask_for_grant(agent, facts.client);
        } else if (ruling.opinion == policy::Opinion::ask_relay) {
            // A name for what a co_await is given: see handoff/client.cpp.
            std::string user = policy::user_of(facts);
            const handoff::Answer answer = co_await relay.ask_about(std::move(user));
            facts.standing = answer.refused;
        } else {
            co_return ruling;
        }
    }
}

}  // namespace sekisho
