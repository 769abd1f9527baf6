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

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "smtpd/sasl/failure_delays.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/user_file.h"

namespace sekisho::sasl {

enum class Verdict : std::uint8_t {
    right,
    wrong,        // the password
    unknown,      // the user; nobody but the log learns the difference
    unavailable,  // it could not be found out
};

class LoginJudge {
public:
    // So many checks of one client's address (IPv6: /64) may wait at once: it can't take all places.
    static constexpr std::size_t most_of_one_address = 32;

    // `users` and `checker` must outlive it. Failure::unavailable without randomness.
    [[nodiscard]] static Result<LoginJudge> make(UserFile& users, PasswordChecker& checker);

    // An unknown user costs as much time as one of those that are known.
    [[nodiscard]] boost::asio::awaitable<Verdict> judge(Credentials credentials,
                                                        std::optional<Address> remote);

    // A login failed: how long to keep the client waiting for the answer.
    [[nodiscard]] std::chrono::milliseconds delay_after_failure(const std::optional<Address>& remote);

private:
    LoginJudge(UserFile& users, PasswordChecker& checker) : users_(&users), checker_(&checker) {}
    [[nodiscard]] const std::string& stand_in(const std::string& name);

    UserFile* users_;
    PasswordChecker* checker_;
    FailureDelays delays_;
    // Checks under way, by client. Shared with their frames, which may live longer.
    std::shared_ptr<std::map<Address, std::size_t>> under_way_ =
        std::make_shared<std::map<Address, std::size_t>>();
    std::string stand_in_hash_;  // where there are no users at all
    std::string stand_in_key_;
};

}  // namespace sekisho::sasl
