// SPDX-License-Identifier: Apache-2.0
// The server's side of CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831), by GNU SASL. Nothing in it waits.
//
// Both are weak, and want the password itself: they are there for devices that know nothing better.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

enum class ChallengeMechanism : std::uint8_t { digest_md5, cram_md5 };
// The better one first.
constexpr std::array<ChallengeMechanism, 2> challenge_mechanisms = {ChallengeMechanism::digest_md5,
                                                                    ChallengeMechanism::cram_md5};

// "DIGEST-MD5".
[[nodiscard]] std::string_view name_of(ChallengeMechanism mechanism);

// By what an answer is judged.
struct ChallengeUser {
    SecretText password;
    std::string missing{};  // why it is nobody's, and no answer can be right; empty: it is the user's
};

class GsaslContext;

// One login. Copies are the same login.
class ChallengeExchange {
public:
    // The client's messages, one after the other; nothing where it sent no initial one. Not to be called
    // again after anything but a prompt.
    [[nodiscard]] MechanismStep step(const std::optional<SecretText>& response);

private:
    friend class Challenges;
    struct State;
    explicit ChallengeExchange(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

// The library.
class Challenges {
public:
    // The password of a user, named as user_key() does, or a stand-in. Called in the middle of a step.
    using LookUp = std::function<ChallengeUser(const std::string& user)>;

    // Failure::unavailable if GNU SASL can't be used.
    [[nodiscard]] static Result<Challenges> make();

    // Begins a login at a service such as "smtp", which DIGEST-MD5's client must have meant (RFC 2831, 2.1.2:
    // digest-uri). `look_up` must not be dead when the exchange goes on.
    [[nodiscard]] Result<ChallengeExchange> begin(ChallengeMechanism mechanism, std::string service,
                                                  LookUp look_up) const;

private:
    explicit Challenges(std::shared_ptr<GsaslContext> library) : library_(std::move(library)) {}
    std::shared_ptr<GsaslContext> library_;  // lives as long as one of its exchanges does
};

}  // namespace sekisho::sasl
