// SPDX-License-Identifier: Apache-2.0
// Whether a name and a password belong together, and how long a stranger waits for a no.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "smtpd/sasl/auth_protocol.h"
#include "smtpd/sasl/check_program.h"
#include "smtpd/sasl/failure_delays.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/scram.h"
#include "smtpd/sasl/user_file.h"

namespace sekisho::sasl {

// A login under way.
using Exchange = std::variant<Mechanism, ScramExchange>;

enum class Verdict : std::uint8_t {
    right,
    wrong,        // the password
    unknown,      // the user; nobody but the log learns the difference
    unavailable,  // it could not be found out
};

class LoginJudge {
public:
    // So many checks of one client's address (IPv6: /64) may wait at once, of those that a program makes as
    // many as it has processes: it can't take all places.
    static constexpr std::size_t most_of_one_address = 32;

    // All must outlive it. `program` checks users who aren't among `users`; null: nobody else may log in.
    // From `secret` comes what unknown users are judged by (stand_in_key.h). Failure::unavailable without
    // randomness, or GNU SASL.
    [[nodiscard]] static Result<LoginJudge> make(UserFile& users, PasswordChecker& checker,
                                                 CheckProgram* program, std::string secret);

    // What may be offered now. SCRAM only while all users have keys for it, which those of a program don't: a
    // client takes the best mechanism that is offered, and asks its user for another password when that
    // fails.
    [[nodiscard]] std::vector<Offer> offers();
    // Begins a login by this mechanism, offered or not; nothing for one that isn't known. The judge must
    // outlive what is asked of it.
    [[nodiscard]] std::optional<Exchange> begin(std::string_view mechanism);

    // An unknown user costs as much time as one of those that are known.
    [[nodiscard]] boost::asio::awaitable<Verdict> judge(Credentials credentials,
                                                        std::optional<Address> remote);

    // A login failed: how long to keep the client waiting for the answer.
    [[nodiscard]] std::chrono::milliseconds delay_after_failure(const std::optional<Address>& remote);

private:
    LoginJudge(UserFile& users, PasswordChecker& checker, CheckProgram* program, Scram scram,
               std::string secret)
        : users_(&users),
          checker_(&checker),
          program_(program),
          scram_(std::move(scram)),
          stand_in_key_(std::move(secret)) {}
    [[nodiscard]] const std::string& stand_in(const std::string& name);
    [[nodiscard]] ScramUser keys_of(ScramHash hash, const std::string& name);

    UserFile* users_;
    PasswordChecker* checker_;
    CheckProgram* program_;
    Scram scram_;
    std::string stand_in_key_;
    FailureDelays delays_;
    // Checks under way, by client. Shared with their frames, which may live longer.
    std::shared_ptr<std::map<Address, std::size_t>> under_way_ =
        std::make_shared<std::map<Address, std::size_t>>();
    std::string stand_in_hash_;  // where there are no users at all
};

}  // namespace sekisho::sasl
