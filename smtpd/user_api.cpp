// SPDX-License-Identifier: Apache-2.0
// Users over HTTP.
#include "smtpd/user_api.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <string_view>
#include <utility>

#include "agent/api/json_answer.h"
#include "agent/api/server.h"
#include "agent/base/log.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_hash.h"
#include "smtpd/sasl/scram_keys.h"

namespace sekisho {

namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr int created = 201;
constexpr std::string_view users_path = "/v1/users";
constexpr std::string_view user_prefix = "/v1/users/";

// The password in a body, fit to be one; what the body held of it is wiped.
Result<sasl::SecretText> password_in(json::object& body) {
    json::value* const value = body.if_contains("password");
    if (value == nullptr || !value->is_string()) {
        return fail(Failure::invalid, "\"password\" is missing or no string");
    }
    json::string& text = value->get_string();
    sasl::SecretText password{std::string_view(text)};
    OPENSSL_cleanse(text.data(), text.size());
    if (const auto why = sasl::unfit_password(password.view())) {
        return fail(Failure::invalid, *why, "take at least 8 characters, without control characters");
    }
    return password;
}

Result<std::string> name_in_path(const api::Request& request) {
    const auto name = api::decoded(std::string_view(request.path).substr(user_prefix.size()));
    if (!name) {
        return fail(Failure::invalid, "the path is not percent-encoded correctly");
    }
    return sasl::user_key(*name);
}

// Whether the password is to be kept; nothing if that isn't said.
Result<std::optional<bool>> recoverable_in(const json::object& body) {
    const json::value* const value = body.if_contains("recoverable");
    if (value == nullptr) {
        return std::optional<bool>();
    }
    if (!value->is_bool()) {
        return fail(Failure::invalid, "\"recoverable\" is neither true nor false");
    }
    return std::optional<bool>(value->get_bool());
}

// What is to be kept of a password, if anything. Devices write what isn't ASCII in ways of their own.
Result<std::optional<sasl::SecretText>> kept_of(bool wanted, const sasl::SecretText& password) {
    if (!wanted) {
        return std::optional<sasl::SecretText>();
    }
    if (sasl::characters_in(password.view()) != static_cast<std::ptrdiff_t>(password.view().size())) {
        return fail(Failure::invalid, "a recoverable password has signs of ASCII only",
                    "take another one, or --hashed");
    }
    return std::optional<sasl::SecretText>(password.view());
}

// The hash at the beginning of what the user file has of a user.
std::string_view hash_in(std::string_view stored) {
    return stored.substr(0, stored.find(':'));
}

void log_change(const api::Request& request, std::string_view name, std::string_view text,
                std::string_view user) {
    log::info(name, text, {{"user", user}, {"by", request.peer.text()}});
}

}  // namespace

UserApi::UserApi(Surroundings around)
    : config_(around.config),
      users_(around.users),
      recoverable_(around.recoverable),
      checker_(around.checker),
      metrics_(std::move(around.metrics)),
      changed_(std::move(around.changed)) {}

awaitable<api::Response> UserApi::answer(const api::Request& request) {
    if (auto no = api::turned_away(config_, request)) {
        co_return std::move(*no);
    }
    const bool looks = request.method == "GET";
    if (request.path == users_path) {
        if (looks) {
            co_return list();
        }
        if (request.method == "POST") {
            auto response = co_await add(request);
            co_return response;
        }
        co_return api::unknown_method(request, "GET, POST");
    }
    if (request.path.starts_with(user_prefix) && request.path.size() > user_prefix.size()) {
        auto response = co_await at_one_user(request);
        co_return response;
    }
    if (request.path == "/metrics") {
        co_return looks ? api::Response{.status = 200,
                                        .body = metrics_(),
                                        .content_type = "text/plain; version=0.0.4",
                                        .headers = {}}
                        : api::unknown_method(request, "GET");
    }
    co_return api::unknown_path(request);
}

api::Response UserApi::list() {
    const sasl::UserList& users = users_.users();
    json::array names;
    for (const std::string& name : users.names()) {
        const bool scram = std::ranges::all_of(
            sasl::scram_hashes, [&](sasl::ScramHash hash) { return users.keys_of(name, hash).has_value(); });
        names.push_back(
            json::object{{"name", name},
                         {"scheme", sasl::scheme_of(*users.hash_of(name)).value_or(std::string_view())},
                         {"scram", scram},
                         {"recoverable", recoverable_.has(name, *users.hash_of(name))}});
    }
    json::array bad;
    for (const sasl::BadLine& line : users.bad_lines()) {
        bad.push_back(json::object{{"line", line.number}, {"what", line.what}});
    }
    return api::json_response(json::object{{"users", std::move(names)}, {"bad_lines", std::move(bad)}});
}

// What is kept comes first: until its hash stands in the user file it is no password, so that a change that
// stops half-way lets nobody in by a wrong one. Whatever has come of it, only what belongs to the hash that
// stands there stays.
Result<void> UserApi::store(const std::string& name, const std::string& stored,
                            const std::optional<sasl::SecretText>& kept,
                            const std::function<Result<void>(sasl::UserList&)>& apply) {
    if (kept) {
        // What can't be done isn't begun.
        sasl::UserList tried = users_.users();
        if (auto possible = apply(tried); !possible) {
            return possible;
        }
        if (auto keeping = recoverable_.keep(name, hash_in(stored), *kept); !keeping) {
            return keeping;
        }
    }
    const auto changed = users_.change(apply);
    const auto settled = settle(name);
    return changed ? settled : changed;
}

bool UserApi::is_kept(const std::string& name) {
    const std::string* const hash = users_.users().hash_of(name);
    return hash != nullptr && recoverable_.has(name, *hash);
}

Result<void> UserApi::settle(const std::string& name) {
    const std::string* const hash = users_.users().hash_of(name);
    auto settled = recoverable_.settle(name, hash == nullptr ? std::string_view() : std::string_view(*hash));
    changed_();
    if (!settled) {
        log::warning("RECOVERABLE_NOT_SETTLED", settled.error().what, {{"user", name}});
        settled.error().what =
            "the user is changed, but what was kept of the password before is still there: " +
            settled.error().what;
    }
    return settled;
}

awaitable<api::Response> UserApi::add(const api::Request& request) {
    auto body = api::body_of(request, {"name", "password", "recoverable"});
    if (!body) {
        co_return api::error_response(body.error());
    }
    auto password = password_in(*body);
    const auto name = api::text_of(*body, "name", true);
    const auto wanted = recoverable_in(*body);
    if (!password || !name || !wanted) {
        co_return api::error_response(!name ? name.error() : !password ? password.error() : wanted.error());
    }
    const std::string key = sasl::user_key(*name);
    const auto kept = kept_of(wanted->value_or(false), *password);
    if (!kept) {
        co_return api::error_response(kept.error());
    }
    auto stored = co_await checker_.hash(std::move(*password));
    if (!stored) {
        co_return api::error_response(stored.error());
    }
    const auto added = store(key, *stored, *kept,
                             [&key, &stored](sasl::UserList& users) { return users.add(key, *stored); });
    if (!added) {
        co_return api::error_response(added.error());
    }
    log_change(request, "USER_ADDED", "a user may log in", key);
    co_return api::json_response(json::object{{"name", key}}, created);
}

awaitable<api::Response> UserApi::at_one_user(const api::Request& request) {
    if (request.method == "DELETE") {
        co_return remove(request);
    }
    if (request.method == "PUT") {
        auto response = co_await change(request);
        co_return response;
    }
    co_return api::unknown_method(request, "PUT, DELETE");
}

awaitable<api::Response> UserApi::change(const api::Request& request) {
    const auto name = name_in_path(request);
    auto body = api::body_of(request, {"password", "recoverable"});
    if (!name || !body) {
        co_return api::error_response(!name ? name.error() : body.error());
    }
    auto password = password_in(*body);
    const auto wanted = recoverable_in(*body);
    if (!password || !wanted) {
        co_return api::error_response(!password ? password.error() : wanted.error());
    }
    const auto kept = kept_of(wanted->value_or(is_kept(*name)), *password);
    if (!kept) {
        co_return api::error_response(kept.error());
    }
    auto stored = co_await checker_.hash(std::move(*password));
    if (!stored) {
        co_return api::error_response(stored.error());
    }
    const auto changed = store(*name, *stored, *kept, [&name, &stored](sasl::UserList& users) {
        return users.change(*name, *stored);
    });
    if (changed) {
        log_change(request, "USER_CHANGED", "a user has another password", *name);
    }
    co_return api::done_response(changed);
}

api::Response UserApi::remove(const api::Request& request) {
    const auto name = name_in_path(request);
    if (!name) {
        return api::error_response(name.error());
    }
    const auto removed = users_.change([&name](sasl::UserList& users) { return users.remove(*name); });
    if (removed) {
        log_change(request, "USER_REMOVED", "a user may no longer log in", *name);
    }
    return api::done_response(removed ? settle(*name) : removed);
}

}  // namespace sekisho
