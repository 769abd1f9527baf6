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
#include "smtpd/sasl/bearer.h"
#include "smtpd/sasl/challenge.h"
#include "smtpd/sasl/failure_delays.h"
#include "smtpd/sasl/introspection.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_backend.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/scram.h"
#include "smtpd/sasl/user_file.h"

namespace sekisho::sasl {

// A login under way.
using Exchange = std::variant<Mechanism, ScramExchange, ChallengeExchange, CertificateLogin, BearerExchange>;

enum class Verdict : std::uint8_t {
    right,
    wrong,        // the password
    unknown,      // the user; nobody but the log learns the difference
    unavailable,  // it could not be found out
};

// By what logins are judged. All must outlive the judge.
struct JudgeSources {
    UserFile& users;
    PasswordChecker& checker;
    RecoverablePasswords* recoverable = nullptr;  // null: there are none
    Introspection* tokens = nullptr;              // null: there are none
    PasswordBackend* others = nullptr;  // checks users who aren't among `users`; null: nobody else may log in
};

// What an operator may choose.
struct JudgeChoices {
    // Names in capitals; empty: as offers() says.
    std::vector<std::string> mechanisms{};
    bool certificates = false;          // clients show certificates that name users
    std::string token_configuration{};  // as BearerExchange has it
};

// What has come of a token.
struct TokenVerdict {
    Verdict verdict = Verdict::unavailable;
    std::string user{};  // if it is right, or was claimed
    std::string why{};   // if it isn't, for the log
};

class LoginJudge {
public:
    // So many checks against the user file may wait at once that are of one client's address (IPv6: /64): it
    // can't take all places.
    static constexpr std::size_t most_of_one_address = 32;

    // From `secret` comes what unknown users are judged by (stand_in_key.h). Failure::unavailable without
    // randomness, or GNU SASL.
    [[nodiscard]] static Result<LoginJudge> make(const JudgeSources& sources, JudgeChoices choices,
                                                 std::string secret);

    // What may be offered now, the best first: what was chosen, or else what all users can log in by, for a
    // client takes the best mechanism that is offered, and asks its user for another password when that
    // fails. SCRAM is such a one while all have keys for it, DIGEST-MD5 and CRAM-MD5 while all passwords are
    // recoverable; others than those in the file have neither.
    [[nodiscard]] std::vector<Offer> offers();
    // Begins a login by the mechanism that is asked for, if it is offered or was; nothing for one that isn't
    // known, or wasn't chosen. The judge must outlive what is asked of it.
    [[nodiscard]] std::optional<Exchange> begin(const Auth& asked);

    // An unknown user costs as much time as one of those that are known.
    [[nodiscard]] boost::asio::awaitable<Verdict> judge(Credentials credentials,
                                                        std::optional<Address> remote);

    // An access token, by whoever knows what it is worth.
    [[nodiscard]] boost::asio::awaitable<TokenVerdict> judge_token(TokenGiven given,
                                                                   std::optional<Address> remote);

    // A login failed: how long to keep the client waiting for the answer.
    [[nodiscard]] std::chrono::milliseconds delay_after_failure(const std::optional<Address>& remote,
                                                                std::string_view user);

private:
    LoginJudge(const JudgeSources& sources, JudgeChoices choices, Scram scram, Challenges challenges,
               std::string secret)
        : sources_(sources),
          choices_(std::move(choices)),
          scram_(std::move(scram)),
          challenges_(std::move(challenges)),
          stand_in_key_(std::move(secret)) {}
    [[nodiscard]] const std::string& stand_in(const std::string& name);
    [[nodiscard]] std::uint64_t choice_for(const std::string& name) const;
    [[nodiscard]] ScramUser keys_of(ScramHash hash, const std::string& name);
    [[nodiscard]] ChallengeUser password_of(const std::string& name);
    [[nodiscard]] bool chosen(std::string_view mechanism) const;
    [[nodiscard]] bool challenges_offered() const;
    [[nodiscard]] std::optional<Exchange> begin_scram(ScramHash hash, bool plus, const Auth& asked);

    JudgeSources sources_;
    JudgeChoices choices_;
    Scram scram_;
    Challenges challenges_;
    std::string stand_in_key_;
    FailureDelays delays_;
    // Checks under way, by client. Shared with their frames, which may live longer.
    std::shared_ptr<std::map<Address, std::size_t>> under_way_ =
        std::make_shared<std::map<Address, std::size_t>>();
    std::string stand_in_hash_;  // where there are no users at all
};

}  // namespace sekisho::sasl
