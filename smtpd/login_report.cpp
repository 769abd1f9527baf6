// SPDX-License-Identifier: Apache-2.0
// By agent/api's client, on threads of its own.
#include "smtpd/login_report.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <utility>

#include "agent/api/client.h"
#include "agent/base/log.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::chrono::seconds patience{1};
// A try with what is no name of anybody counts, too; the agent would refuse such a report.
constexpr std::size_t longest_user = 255;

std::string name_of(const SeenLogin& login) {
    return login.success || (login.user.size() <= longest_user && is_utf8(login.user)) ? login.user : "";
}

boost::asio::awaitable<Result<std::string>> post(std::filesystem::path socket, std::string body) {
    const api::Client client(std::move(socket), patience);
    const auto answer = client.request("POST", "/v1/logins", body);
    if (!answer) {
        co_return std::unexpected(answer.error());
    }
    co_return api::check(*answer);
}

}  // namespace

LoginReport::LoginReport(std::filesystem::path socket) : socket_(std::move(socket)) {}

boost::asio::awaitable<void> LoginReport::tell(SeenLogin login) {
    const std::string address = login.client.address.text();
    const boost::json::object body = {{"address", address},           {"port", login.client.port},
                                      {"user", name_of(login)},       {"protocol", "smtp"},
                                      {"mechanism", login.mechanism}, {"tls", login.tls},
                                      {"success", login.success}};
    const auto said = co_await boost::asio::co_spawn(pool_, post(socket_, boost::json::serialize(body)),
                                                     boost::asio::use_awaitable);
    if (!said) {
        log::warning("LOGIN_NOT_REPORTED", said.error().what,
                     {{"user", login.user}, {"address", address}, {"remedy", said.error().remedy}});
    }
}

}  // namespace sekisho
