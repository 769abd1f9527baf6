// SPDX-License-Identifier: Apache-2.0
// Exchanges of GNU SASL.
//
// It compares the client's answer by memcmp() and strcmp(). That tells nothing: what is compared is a hash
// over our nonce, which is good for one answer.
#include "smtpd/sasl/challenge.h"

#include <optional>
#include <utility>

#include "smtpd/sasl/digest_answer.h"
#include "smtpd/sasl/gsasl_context.h"

namespace sekisho::sasl {

namespace {

// RFC 2831, 2.1.2: "The size of a digest-response MUST be less than 4096 bytes." CRAM-MD5 needs far less.
constexpr std::size_t longest_client_answer = 4096;

Malformed unfit_answer(std::string why) {
    return {.why = std::move(why)};
}

}  // namespace

std::string_view name_of(ChallengeMechanism mechanism) {
    return mechanism == ChallengeMechanism::digest_md5 ? "DIGEST-MD5" : "CRAM-MD5";
}

struct ChallengeExchange::State {
    enum class Expects : std::uint8_t { nothing, answer, farewell };

    State(std::shared_ptr<GsaslContext> library, ChallengeMechanism with, std::string at,
          Challenges::LookUp looking)
        : session(std::move(library)), mechanism(with), service(std::move(at)), look_up(std::move(looking)) {}

    [[nodiscard]] MechanismStep challenge();
    [[nodiscard]] MechanismStep answer(const SecretText& message);
    [[nodiscard]] MechanismStep failed(int code) const;
    static int called_back(Gsasl* context, Gsasl_session* asking, Gsasl_property wanted);

    GsaslSession session;
    ChallengeMechanism mechanism;
    std::string service;
    Challenges::LookUp look_up;
    Expects expects = Expects::nothing;
    std::string user;     // once it is known
    std::string missing;  // as in ChallengeUser
};

// GNU SASL asks for the password when it has read the name.
int ChallengeExchange::State::called_back(Gsasl* /*context*/, Gsasl_session* asking, Gsasl_property wanted) {
    auto* const self = static_cast<State*>(::gsasl_session_hook_get(asking));
    if (wanted != GSASL_PASSWORD) {
        return GSASL_NO_CALLBACK;
    }
    const std::string name = self->session.property(GSASL_AUTHID);
    if (unfit_name(name)) {
        return GSASL_NO_CALLBACK;
    }
    self->user = user_key(name);
    const ChallengeUser found = self->look_up(self->user);
    self->missing = found.missing;
    self->session.give(GSASL_PASSWORD, found.password.text());
    return GSASL_OK;
}

MechanismStep ChallengeExchange::State::failed(int code) const {
    if (code == GSASL_AUTHENTICATION_ERROR && !user.empty()) {
        return Refuted{.user = user, .why = missing.empty() ? "wrong password" : missing};
    }
    return unfit_answer("the answer of " + std::string(name_of(mechanism)) + " is malformed");
}

MechanismStep ChallengeExchange::State::challenge() {
    if (const int code = session.feed(SecretText()); code != GSASL_NEEDS_MORE) {
        return failed(code);
    }
    expects = Expects::answer;
    return Prompt{.text = session.answer};
}

MechanismStep ChallengeExchange::State::answer(const SecretText& message) {
    // An empty one would make GNU SASL ask again.
    if (message.empty()) {
        return unfit_answer("the answer is empty");
    }
    const bool digest = mechanism == ChallengeMechanism::digest_md5;
    const auto checked =
        digest ? checked_digest_answer(message.view(), service) : std::string(message.view());
    if (!checked) {
        return unfit_answer("the answer of DIGEST-MD5 is malformed, or for another service");
    }
    const int code = session.feed(SecretText(*checked));
    if (code != GSASL_OK || !missing.empty()) {
        return failed(code == GSASL_OK ? GSASL_AUTHENTICATION_ERROR : code);
    }
    const std::string acting_as = digest ? session.property(GSASL_AUTHZID) : std::string();
    if (!acting_as.empty() && user_key(acting_as) != user) {
        return unfit_answer("nobody may act as somebody else here");
    }
    if (!digest) {
        return Proven{.user = user};
    }
    // The server's own proof, as in SCRAM.
    expects = Expects::farewell;
    return Prompt{.text = session.answer, .proven = user};
}

MechanismStep ChallengeExchange::step(const std::optional<SecretText>& response) {
    using Expects = State::Expects;
    if (state_->expects == Expects::nothing) {
        // RFC 4422, 5: the server speaks first here, and there is no initial response.
        return response && !response->empty() ? unfit_answer("there is no initial response here")
                                              : state_->challenge();
    }
    if (!response || response->view().size() > longest_client_answer ||
        response->view().find('\0') != std::string_view::npos) {
        return unfit_answer("there is no answer, or it is over 4096 octets, or has a NUL");
    }
    if (state_->expects == Expects::answer) {
        return state_->answer(*response);
    }
    return response->empty() ? MechanismStep(Proven{.user = state_->user})
                             : unfit_answer("the answer to the server's proof is not empty");
}

Result<Challenges> Challenges::make() {
    auto library = GsaslContext::make(&ChallengeExchange::State::called_back);
    if (!library) {
        return std::unexpected(library.error());
    }
    return Challenges(std::move(*library));
}

Result<ChallengeExchange> Challenges::begin(ChallengeMechanism mechanism, std::string service,
                                            LookUp look_up) const {
    auto state = std::make_shared<ChallengeExchange::State>(library_, mechanism, std::move(service),
                                                            std::move(look_up));
    if (auto started = state->session.start(name_of(mechanism), state.get()); !started) {
        return std::unexpected(started.error());
    }
    return ChallengeExchange(std::move(state));
}

}  // namespace sekisho::sasl
