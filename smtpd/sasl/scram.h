// SPDX-License-Identifier: Apache-2.0
// The server's side of SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677) and of their forms with channel binding
// (-PLUS), by GNU SASL. Nothing in it waits.
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

// What both ends of a TLS connection know, and nobody between them (RFC 5056): in base64; empty where there
// is none.
struct ChannelBinding {
    std::string exporter{};  // tls-exporter (RFC 9266)
    std::string unique{};    // tls-unique (RFC 5929)
    bool offered = false;  // clients have been offered to bind the channel, or would have been on another one
};

class GsaslContext;

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

    // Begins a login. `plus`: the name ends in -PLUS, and the client must have bound the channel. Where that
    // was offered, a client that says it would have bound the channel if it had been offered (RFC 5802, 6:
    // "y") is refused: somebody has taken the offer away, or stands between the two with a connection that
    // can't be bound. `look_up` must not be dead when the exchange goes on.
    [[nodiscard]] Result<ScramExchange> begin(ScramHash hash, bool plus, ChannelBinding binding,
                                              LookUp look_up) const;

private:
    friend class ScramExchange;
    explicit Scram(std::shared_ptr<GsaslContext> library) : library_(std::move(library)) {}
    std::shared_ptr<GsaslContext> library_;  // lives as long as one of its exchanges does
};

}  // namespace sekisho::sasl
