// SPDX-License-Identifier: Apache-2.0
// Exchanges of GNU SASL.
//
// It compares the proof's StoredKey by memcmp(). That tells nothing: what is compared is the hash of a text
// that the client can't choose, for it is masked by a key it doesn't know (ClientSignature).
#include "smtpd/sasl/scram.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "smtpd/sasl/gsasl_context.h"

namespace sekisho::sasl {

namespace {

// RFC 5802 has no limit. A name has 255 octets at most, a nonce of a real client some 20 to 50.
constexpr std::size_t longest_message = 2048;

Malformed misshapen(std::string why) {
    return {.why = std::move(why)};
}

// RFC 5802, 5.1: "If the server receives a username that contains '=' not followed by either '2C' or '3D',
// then the server MUST fail the authentication." GNU SASL takes it as it is.
bool is_escaped(std::string_view field) {
    for (std::size_t at = field.find('=', 2); at != std::string_view::npos; at = field.find('=', at + 1)) {
        if (field.substr(at, 3) != "=2C" && field.substr(at, 3) != "=3D") {
            return false;
        }
    }
    return true;
}

// Whether SASLprep leaves something of a name; of a soft hyphen it doesn't. GNU SASL 2.2 refuses such a name
// as well, but never gives back the memory that it has taken for it, and anybody may try for ever.
bool leaves_something(std::string_view name) {
    const std::string text(name);
    char* prepared = nullptr;
    if (::gsasl_saslprep(text.c_str(), GSASL_ALLOW_UNASSIGNED, &prepared, nullptr) != GSASL_OK) {
        return true;  // no name at all, as GNU SASL will find
    }
    const bool something = *prepared != '\0';
    ::gsasl_free(prepared);
    return something;
}

// What is wrong with the names in a client's first message, or nothing. Its first fields are the flag of
// channel binding, a=name or nothing, n=name.
std::string wrong_names(std::string_view message) {
    for (int field = 0; field < 3; field++) {
        const std::size_t end = std::min(message.find(','), message.size());
        const std::string_view name = message.substr(0, end);
        if (!is_escaped(name)) {
            return "a name has a = that stands for nothing";
        }
        if (field == 2 && name.starts_with("n=") && !leaves_something(name.substr(2))) {
            return "there is no name";
        }
        message.remove_prefix(std::min(end + 1, message.size()));
    }
    return {};
}

}  // namespace

struct ScramExchange::State {
    enum class Expects : std::uint8_t { first, proof, farewell };

    State(std::shared_ptr<GsaslContext> library, ScramHash with, bool bound, ChannelBinding binding_data,
          Scram::LookUp looking)
        : session(std::move(library)),
          hash(with),
          plus(bound),
          binding(std::move(binding_data)),
          look_up(std::move(looking)) {}

    [[nodiscard]] MechanismStep first(const SecretText& message);
    [[nodiscard]] MechanismStep proof(const SecretText& message);
    [[nodiscard]] MechanismStep failed(int code) const;
    void identify();
    static int called_back(Gsasl* context, Gsasl_session* asking, Gsasl_property wanted);

    GsaslSession session;
    ScramHash hash;
    bool plus;
    ChannelBinding binding;
    Scram::LookUp look_up;
    Expects expects = Expects::first;
    std::string user;     // once it is known
    std::string missing;  // as in ScramUser
};

// What GNU SASL asks for: first what binds the channel, then how many iterations, with which salt, and for
// the keys. The question for iterations has it given all of the user's.
int ScramExchange::State::called_back(Gsasl* /*context*/, Gsasl_session* asking, Gsasl_property wanted) {
    auto* const self = static_cast<State*>(::gsasl_session_hook_get(asking));
    if (wanted == GSASL_CB_TLS_EXPORTER && !self->binding.exporter.empty()) {
        self->session.give(wanted, self->binding.exporter.c_str());
        return GSASL_OK;
    }
    if (wanted == GSASL_CB_TLS_UNIQUE && !self->binding.unique.empty()) {
        self->session.give(wanted, self->binding.unique.c_str());
        return GSASL_OK;
    }
    if ((wanted != GSASL_SCRAM_ITER && wanted != GSASL_SCRAM_SALT) || !self->user.empty()) {
        return GSASL_NO_CALLBACK;
    }
    self->identify();
    return self->user.empty() ? GSASL_NO_CALLBACK : GSASL_OK;
}

void ScramExchange::State::identify() {
    const std::string name = session.property(GSASL_AUTHID);
    if (unfit_name(name)) {
        return;
    }
    user = user_key(name);
    const ScramUser found = look_up(hash, user);
    missing = found.missing;
    const auto give = [this](Gsasl_property which, const std::string& value) {
        session.give(which, value.c_str());
    };
    give(GSASL_SCRAM_ITER, std::to_string(found.keys.iterations));
    give(GSASL_SCRAM_SALT, to_base64(found.keys.salt));
    give(GSASL_SCRAM_STOREDKEY, to_base64(found.keys.stored_key));
    give(GSASL_SCRAM_SERVERKEY, to_base64(found.keys.server_key));
}

MechanismStep ScramExchange::State::failed(int code) const {
    if (code == GSASL_AUTHENTICATION_ERROR && !user.empty()) {
        return Refuted{.user = user, .why = missing.empty() ? "wrong password" : missing};
    }
    return misshapen("a message of " + std::string(mechanism_of(hash)) + " is malformed");
}

// RFC 5802, 7: client-first-message = gs2-header client-first-message-bare
//              gs2-cbind-flag       = ("p=" cb-name) / "n" / "y"
MechanismStep ScramExchange::State::first(const SecretText& message) {
    // Section 6: "p" belongs to the names that end in -PLUS, and to them alone.
    if (message.view().starts_with('p') != plus) {
        return misshapen(plus ? "the channel is not bound" : "channel binding wants a name with -PLUS");
    }
    if (binding.offered && message.view().starts_with('y')) {
        return misshapen("the client has not seen that channel binding is offered");
    }
    if (std::string wrong = wrong_names(message.view()); !wrong.empty()) {
        return misshapen(std::move(wrong));
    }
    const int code = session.feed(message);
    if (code != GSASL_NEEDS_MORE) {
        return failed(code == GSASL_AUTHENTICATION_ERROR ? GSASL_MECHANISM_PARSE_ERROR : code);
    }
    if (user.empty()) {
        return misshapen(unfit_name(session.property(GSASL_AUTHID)).value_or("there is no name"));
    }
    const std::string acting_as = session.property(GSASL_AUTHZID);
    if (!acting_as.empty() && user_key(acting_as) != user) {
        return misshapen("nobody may act as somebody else here");
    }
    expects = Expects::proof;
    return Prompt{.text = session.answer};
}

MechanismStep ScramExchange::State::proof(const SecretText& message) {
    const int code = session.feed(message);
    if (code != GSASL_OK || !missing.empty()) {
        return failed(code == GSASL_OK ? GSASL_AUTHENTICATION_ERROR : code);
    }
    // The server's own proof. In SMTP it can't come with the success (RFC 4954, 4): "the server ... MUST send
    // a 334 reply containing the ... data", which the client answers by an empty response.
    expects = Expects::farewell;
    return Prompt{.text = session.answer, .proven = user};
}

MechanismStep ScramExchange::step(const std::optional<SecretText>& response) {
    using Expects = State::Expects;
    if (!response) {
        return state_->expects == Expects::first ? MechanismStep(Prompt{}) : misshapen("no response");
    }
    if (response->view().size() > longest_message || response->view().find('\0') != std::string_view::npos) {
        return misshapen("a message of SCRAM is over 2048 octets, or has a NUL");
    }
    switch (state_->expects) {
        case Expects::first:
            return state_->first(*response);
        case Expects::proof:
            return state_->proof(*response);
        case Expects::farewell:
            break;
    }
    return response->empty() ? MechanismStep(Proven{.user = state_->user})
                             : misshapen("the answer to the server's proof is not empty");
}

Result<Scram> Scram::make() {
    auto library = GsaslContext::make(&ScramExchange::State::called_back);
    if (!library) {
        return std::unexpected(library.error());
    }
    return Scram(std::move(*library));
}

Result<ScramExchange> Scram::begin(ScramHash hash, bool plus, ChannelBinding binding, LookUp look_up) const {
    auto state =
        std::make_shared<ScramExchange::State>(library_, hash, plus, std::move(binding), std::move(look_up));
    const std::string name = std::string(mechanism_of(hash)) + (plus ? "-PLUS" : "");
    if (auto started = state->session.start(name, state.get()); !started) {
        return std::unexpected(started.error());
    }
    return ScramExchange(std::move(state));
}

}  // namespace sekisho::sasl
