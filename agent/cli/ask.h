// SPDX-License-Identifier: Apache-2.0
// One question to the agent, its answer read as JSON.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "agent/api/client.h"
#include "agent/base/result.h"
#include "agent/cli/arguments.h"

namespace sekisho::cli {

struct Question {
    std::string method;
    std::string target;
    std::string body;
};

struct Reply {
    std::string text;  // JSON in one line
    boost::json::object object;
};

// The agent's, at its usual socket or the one that was named.
[[nodiscard]] api::Client agent_of(const Arguments& arguments);

// Asks, and reads the answer. An answer without a body is {"ok":true}. Failure::unavailable for one that is
// no JSON object.
[[nodiscard]] Result<Reply> ask(const api::Client& client, const Question& question);

// Adds to an order of grants for how long they are asked for, how many connections they are good for, and
// why; what wasn't given is left to the configuration.
void add_terms(const Arguments& arguments, boost::json::object& order);

using api::encoded;

}  // namespace sekisho::cli
