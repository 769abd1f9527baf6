// SPDX-License-Identifier: Apache-2.0
// The server's side of SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677), by GNU SASL. Nothing in it waits.
//
// Without channel binding: a client that asks for it is refused.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/scram_keys.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// By what a proof is judged.
struct ScramUser {
    ScramKeys keys;
    std::string missing{};  // why they are nobody's, and no proof can be right; empty: they are the user's
};

// One login. Copies are the same login.
class ScramExchange {
public:
    // The client's messages, one after the other; nothing where it sent no initial one. Not to be called
    // again after anything but a prompt.
    [[nodiscard]] MechanismStep step(const std::optional<SecretText>& response);

private:
    friend class Scram;
    struct State;
    explicit ScramExchange(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
};

// The library.
class Scram {
public:
    // The keys of a user, named as user_key() does, or stand-ins. Called in the middle of a step.
    using LookUp = std::function<ScramUser(ScramHash hash, const std::string& user)>;

    // Failure::unavailable if GNU SASL can't be used.
    [[nodiscard]] static Result<Scram> make();

    // Begins a login. `look_up` must not be dead when the exchange goes on.
    [[nodiscard]] Result<ScramExchange> begin(ScramHash hash, LookUp look_up) const;

private:
    friend class ScramExchange;
    struct Library;
    explicit Scram(std::shared_ptr<Library> library) : library_(std::move(library)) {}
    std::shared_ptr<Library> library_;  // lives as long as one of its exchanges does
};

}  // namespace sekisho::sasl
