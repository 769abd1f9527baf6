// SPDX-License-Identifier: Apache-2.0
// sekisho-auth's middle: the user file, the threads that hash, and the two sockets.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "smtpd/sasl/auth_server.h"
#include "smtpd/sasl/dovecot_export.h"
#include "smtpd/sasl/introspection.h"
#include "smtpd/sasl/login_judge.h"
#include "smtpd/sasl/password_backend.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/user_file.h"
#include "smtpd/user_api.h"

namespace sekisho {

class AuthDaemon {
public:
    // Takes the sockets that systemd has opened ("auth-client", "auth") or opens them, becomes auth.user, and
    // reads the user file. `config` must outlive it.
    [[nodiscard]] static Result<std::shared_ptr<AuthDaemon>> start(boost::asio::io_context& context,
                                                                   const Config& config);

private:
    AuthDaemon(boost::asio::io_context& context, const Config& config, sasl::UserFile users,
               sasl::RecoverablePasswords recoverable, std::unique_ptr<sasl::Introspection> tokens,
               std::unique_ptr<sasl::PasswordBackend> others);

    // `stand_ins`: where the key of stand_in_key() is kept.
    [[nodiscard]] Result<void> serve(std::vector<Descriptor> clients, std::vector<Descriptor> admins,
                                     const std::filesystem::path& stand_ins);
    void await_reload();
    // Dovecot's files of the users follow them, if there are to be any.
    void follow_users();
    [[nodiscard]] std::string metrics();

    boost::asio::io_context& context_;
    const Config& config_;
    sasl::UserFile users_;
    sasl::RecoverablePasswords recoverable_;
    sasl::PasswordChecker checker_;
    std::unique_ptr<sasl::Introspection> tokens_;    // null: there are none
    std::unique_ptr<sasl::PasswordBackend> others_;  // null: there are no other users
    std::optional<sasl::DovecotExport> dovecot_;     // nothing: there is no Dovecot that judges our users
    UserApi api_;
    boost::asio::signal_set reload_;
    boost::asio::steady_timer users_looked_at_;
    std::optional<sasl::LoginJudge> judge_;
    std::vector<std::unique_ptr<sasl::AuthServer>> servers_;
    std::vector<api::HttpServer> admin_;
};

}  // namespace sekisho
