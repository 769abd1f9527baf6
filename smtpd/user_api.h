// SPDX-License-Identifier: Apache-2.0
// The administration of users over HTTP, for `sekisho user`.
//
//   GET /v1/users                               {"users":[{"name","scheme","scram","recoverable"}],
//                                               "bad_lines":[{"line","what"}]}
//   POST /v1/users {"name","password"}          201 {"name"}; "recoverable":true keeps the password, too
//   PUT /v1/users/NAME {"password"}             204; "recoverable" as above, if it isn't said, as before
//   DELETE /v1/users/NAME                       204
//   GET /metrics                                Prometheus text
//
// Errors are those of agent/api/README.md.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/secret_text.h"
#include "smtpd/sasl/user_file.h"

namespace sekisho {

class UserApi {
public:
    // All that is referred to must outlive it.
    struct Surroundings {
        const ApiConfig& config;
        sasl::UserFile& users;
        sasl::RecoverablePasswords& recoverable;
        sasl::PasswordChecker& checker;
        std::function<std::string()> metrics;  // makes the text of /metrics
        std::function<void()> changed;         // a user is another, before that is answered
    };
    explicit UserApi(Surroundings around);

    // Answers one request: [api]'s operators may do all, its viewers may look.
    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);

private:
    [[nodiscard]] api::Response list();
    [[nodiscard]] boost::asio::awaitable<api::Response> add(const api::Request& request);
    [[nodiscard]] boost::asio::awaitable<api::Response> change(const api::Request& request);
    [[nodiscard]] api::Response remove(const api::Request& request);
    // Has a change made, and the password kept beside it if there is one.
    [[nodiscard]] Result<void> store(const std::string& name, const std::string& stored,
                                     const std::optional<sasl::SecretText>& kept,
                                     const std::function<Result<void>(sasl::UserList&)>& apply);
    // Nothing stays of a password that isn't the user's any more; whoever follows the users is told.
    [[nodiscard]] Result<void> settle(const std::string& name);
    [[nodiscard]] bool is_kept(const std::string& name);
    [[nodiscard]] boost::asio::awaitable<api::Response> at_one_user(const api::Request& request);

    const ApiConfig& config_;
    sasl::UserFile& users_;
    sasl::RecoverablePasswords& recoverable_;
    sasl::PasswordChecker& checker_;
    std::function<std::string()> metrics_;
    std::function<void()> changed_;
};

}  // namespace sekisho
