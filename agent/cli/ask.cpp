// SPDX-License-Identifier: Apache-2.0
// One question to the agent, its answer read as JSON.
#include "agent/cli/ask.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "agent/base/config.h"

namespace sekisho::cli {

api::Client agent_of(const Arguments& arguments) {
    return api::Client(arguments.socket.value_or(ApiConfig{}.socket));
}

Result<Reply> ask(const api::Client& client, const Question& question) {
    const auto answer = client.request(question.method, question.target, question.body);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    auto text = api::check(*answer, client.service());
    if (!text) {
        return std::unexpected(text.error());
    }
    if (text->empty()) {
        *text = R"({"ok":true})";
    }
    boost::system::error_code error;
    boost::json::value value = boost::json::parse(*text, error);
    if (error || !value.is_object()) {
        return fail(Failure::unavailable, client.service().what + "'s answer is no JSON object",
                    "is that the socket of " + client.service().program + "? see journalctl -u " +
                        client.service().unit);
    }
    if (text->find_first_of("\r\n") != std::string::npos) {
        *text = boost::json::serialize(value);
    }
    return Reply{.text = std::move(*text), .object = std::move(value.get_object())};
}

void add_terms(const Arguments& arguments, boost::json::object& order) {
    if (arguments.lifetime) {
        order["seconds"] = arguments.lifetime->count();
    }
    if (arguments.budget) {
        order["budget"] = *arguments.budget;
    }
    if (arguments.scope) {
        order["scope"] = to_string(*arguments.scope);
    }
    if (!arguments.words.empty()) {
        order["reason"] = arguments.words;
    }
}

}  // namespace sekisho::cli
