// SPDX-License-Identifier: Apache-2.0
// By agent/api's client, on threads of its own.
#include "smtpd/agent_link.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <utility>

#include "agent/api/client.h"
#include "agent/base/log.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds patience{1};
// A try with what is no name of anybody counts, too; the agent would refuse such a report.
constexpr std::size_t longest_user = 255;

bool is_name(const std::string& text) {
    return !text.empty() && text.size() <= longest_user && is_utf8(text);
}

std::string name_of(const SeenLogin& login) {
    return login.success || is_name(login.user) ? login.user : "";
}

// Those of the other names that are some.
std::vector<std::string> fit(std::vector<std::string> names) {
    std::erase_if(names, [](const std::string& each) { return !is_name(each); });
    return names;
}

struct Question {
    std::string method;
    std::string target;
    std::string body;
};

boost::asio::awaitable<Result<std::string>> ask(std::filesystem::path socket, Question question) {
    const api::Client client(std::move(socket), patience);
    const auto answer = client.request(question.method, question.target, question.body);
    if (!answer) {
        co_return std::unexpected(answer.error());
    }
    co_return api::check(*answer);
}

Result<policy::GrantAnswer> grant_in(const std::string& text) {
    boost::system::error_code error;
    const json::value parsed = json::parse(text, error);
    const json::object* const answer = error ? nullptr : parsed.if_object();
    const json::value* const relay = answer != nullptr ? answer->if_contains("relay") : nullptr;
    if (relay == nullptr || !relay->is_bool()) {
        return fail(Failure::unavailable, "the agent has answered something that can't be understood",
                    "all programs of the box must be of one version");
    }
    if (!relay->get_bool()) {
        return policy::GrantAnswer{};
    }
    const json::value* const user = answer->if_contains("user");
    return policy::GrantAnswer{
        .kind = policy::GrantAnswer::Kind::granted,
        .user = user != nullptr && user->is_string() ? std::string(user->get_string()) : "",
        .trouble = {}};
}

bool says_locked(const std::string& text) {
    boost::system::error_code error;
    const json::value parsed = json::parse(text, error);
    const json::object* const answer = error ? nullptr : parsed.if_object();
    const json::value* const locked = answer != nullptr ? answer->if_contains("locked") : nullptr;
    return locked != nullptr && locked->is_bool() && locked->get_bool();
}

policy::GrantAnswer unknown(std::string trouble) {
    return {.kind = policy::GrantAnswer::Kind::unknown, .user = {}, .trouble = std::move(trouble)};
}

}  // namespace

AgentLink::AgentLink(std::filesystem::path socket) : socket_(std::move(socket)) {}

boost::asio::awaitable<bool> AgentLink::tell(SeenLogin login) {
    const std::string address = login.client.address.text();
    json::object body = {{"address", address}, {"user", name_of(login)},
                         {"protocol", "smtp"}, {"mechanism", login.mechanism},
                         {"tls", login.tls},   {"success", login.success}};
    if (const auto also = fit(std::move(login.also)); !also.empty()) {
        body["also"] = json::array(also.begin(), also.end());
    }
    if (login.client.port != 0) {  // of a client whom somebody else speaks for, it may not be known
        body["port"] = login.client.port;
    }
    Question question{.method = "POST", .target = "/v1/logins", .body = json::serialize(body)};
    auto asking = ask(socket_, std::move(question));
    const auto said = co_await boost::asio::co_spawn(pool_, std::move(asking), boost::asio::use_awaitable);
    if (!said) {
        log::warning("LOGIN_NOT_REPORTED", said.error().what,
                     {{"user", login.user}, {"address", address}, {"remedy", said.error().remedy}});
    }
    co_return said&& says_locked(*said);
}

boost::asio::awaitable<bool> AgentLink::locks(Address client, std::string user,
                                              std::vector<std::string> also) {
    Question question{
        .method = "GET", .target = "/v1/locked/" + client.text() + "?user=" + api::encoded(user), .body = {}};
    for (const std::string& name : fit(std::move(also))) {
        question.target += "&also=" + api::encoded(name);
    }
    auto asking = ask(socket_, std::move(question));
    const auto said = co_await boost::asio::co_spawn(pool_, std::move(asking), boost::asio::use_awaitable);
    if (!said) {
        log::warning("LOCK_UNKNOWN", said.error().what,
                     {{"client", client.text()}, {"remedy", said.error().remedy}});
    }
    co_return said&& says_locked(*said);
}

boost::asio::awaitable<policy::GrantAnswer> AgentLink::relay_grant(Address client) {
    Question question{.method = "GET", .target = "/v1/relay/" + client.text(), .body = {}};
    auto asking = ask(socket_, std::move(question));
    const auto said = co_await boost::asio::co_spawn(pool_, std::move(asking), boost::asio::use_awaitable);
    const auto answer = said ? grant_in(*said) : Result<policy::GrantAnswer>(std::unexpected(said.error()));
    if (!answer) {
        log::warning("GRANT_UNKNOWN", answer.error().what,
                     {{"client", client.text()}, {"remedy", answer.error().remedy}});
        co_return unknown(answer.error().what);
    }
    co_return *answer;
}

boost::asio::awaitable<policy::GrantAnswer> ask_for_grant(AgentLink* agent, Address client) {
    if (agent == nullptr) {
        co_return unknown("there is none to ask");
    }
    auto answer = co_await agent->relay_grant(client);
    co_return answer;
}

}  // namespace sekisho
