// SPDX-License-Identifier: Apache-2.0
// Judging logins.
#include "smtpd/sasl/login_judge.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "agent/base/log.h"
#include "smtpd/sasl/password_hash.h"

namespace sekisho::sasl {

Result<LoginJudge> LoginJudge::make(const JudgeSources& sources, JudgeChoices choices, std::string secret) {
    auto scram = Scram::make();
    auto challenges = Challenges::make();
    if (!scram || !challenges) {
        return std::unexpected(!scram ? scram.error() : challenges.error());
    }
    LoginJudge judge(sources, std::move(choices), std::move(*scram), std::move(*challenges),
                     std::move(secret));
    // As crypt() would read it: up to a NUL.
    const std::string_view key = judge.stand_in_key_;
    auto hash = hash_password(SecretText(key.substr(0, key.find('\0'))));
    if (!hash) {
        return std::unexpected(hash.error());
    }
    judge.stand_in_hash_ = std::move(*hash);
    return judge;
}

bool LoginJudge::chosen(std::string_view mechanism) const {
    return choices_.mechanisms.empty() ||
           std::ranges::find(choices_.mechanisms, mechanism) != choices_.mechanisms.end();
}

bool LoginJudge::challenges_offered() const {
    if (sources_.recoverable == nullptr) {
        return false;
    }
    return !choices_.mechanisms.empty() ||
           (sources_.others == nullptr && sources_.recoverable->covers(sources_.users.users()));
}

// With the flags that Dovecot has for them.
std::vector<Offer> LoginJudge::offers() {
    std::vector<Offer> all;
    // `usable`: by all users.
    const auto add = [this, &all](std::string_view name, std::vector<std::string> properties, bool usable) {
        if (choices_.mechanisms.empty() ? usable : chosen(name)) {
            all.push_back({.mechanism = std::string(name), .properties = std::move(properties)});
        }
    };
    const bool only_ours = sources_.others == nullptr;
    for (const ScramHash hash : scram_hashes) {
        const bool usable = only_ours && sources_.users.users().all_have_keys(hash);
        add(std::string(mechanism_of(hash)) + "-PLUS", {"mutual-auth", "private"}, usable);
        add(mechanism_of(hash), {"mutual-auth"}, usable);
    }
    const bool recoverable = challenges_offered();
    for (const ChallengeMechanism each : challenge_mechanisms) {
        add(name_of(each), {"dictionary", "active"}, recoverable);
    }
    if (choices_.certificates) {
        add("EXTERNAL", {}, true);
    }
    if (sources_.tokens != nullptr) {
        for (const std::string_view name : bearer_mechanisms) {
            add(name, {}, true);
        }
    }
    for (const std::string_view name : plaintext_mechanisms) {
        add(name, {"plaintext"}, true);
    }
    return all;
}

std::optional<Exchange> LoginJudge::begin(const Auth& asked) {
    std::string_view name = asked.mechanism;
    if (!chosen(name)) {
        return std::nullopt;
    }
    if (name == "EXTERNAL" && choices_.certificates) {
        const std::string user = unfit_name(asked.certificate_user) ? "" : user_key(asked.certificate_user);
        return CertificateLogin(user, sources_.users.users().hash_of(user) != nullptr);
    }
    for (const ChallengeMechanism each : challenge_mechanisms) {
        // Whose password isn't kept is refused later.
        if (name_of(each) == name && sources_.recoverable != nullptr &&
            (!choices_.mechanisms.empty() || !sources_.recoverable->empty())) {
            auto exchange = challenges_.begin(each, asked.service,
                                              [this](const std::string& user) { return password_of(user); });
            return exchange ? std::optional<Exchange>(std::move(*exchange)) : std::nullopt;
        }
    }
    if (sources_.tokens != nullptr) {
        if (auto exchange = BearerExchange::named(name, choices_.token_configuration)) {
            return std::move(*exchange);
        }
    }
    const bool plus = name.ends_with("-PLUS");
    name.remove_suffix(plus ? std::string_view("-PLUS").size() : 0);
    const auto* const hash = std::ranges::find(scram_hashes, name, mechanism_of);
    if (hash != scram_hashes.end()) {
        return begin_scram(*hash, plus, asked);
    }
    return Mechanism::named(asked.mechanism);
}

std::optional<Exchange> LoginJudge::begin_scram(ScramHash hash, bool plus, const Auth& asked) {
    ChannelBinding binding;
    // What wasn't offered can't have been taken away.
    if (chosen(std::string(mechanism_of(hash)) + "-PLUS")) {
        binding = {.exporter = asked.tls_exporter, .unique = asked.tls_unique, .offered = asked.tls_bindable};
    }
    auto exchange =
        scram_.begin(hash, plus, std::move(binding),
                     [this](ScramHash wanted, const std::string& user) { return keys_of(wanted, user); });
    if (!exchange) {
        log::warning("LOGIN_NOT_CHECKED", exchange.error().what);
        return std::nullopt;
    }
    return std::move(*exchange);
}

// As in keys_of(), whoever it is, the same is done.
ChallengeUser LoginJudge::password_of(const std::string& name) {
    const std::string* const hash = sources_.users.users().hash_of(name);
    const ScramKeys stand_in = stand_in_scram_keys(ScramHash::sha256, stand_in_key_, name);
    auto password = sources_.recoverable->of(name, hash != nullptr ? *hash : stand_in_hash_);
    if (hash != nullptr && password) {
        return {.password = std::move(*password)};
    }
    return {.password = SecretText(to_base64(stand_in.stored_key)),
            .missing = hash != nullptr ? "the password is not recoverable: sekisho user passwd --recoverable"
                                       : "no such user"};
}

// The stand-ins are made for those who are known, too: it costs the same. They look like somebody's keys, for
// their iterations and the salt's length are told to everybody.
ScramUser LoginJudge::keys_of(ScramHash hash, const std::string& name) {
    const UserList& users = sources_.users.users();
    const auto somebodys = users.any_keys(hash, choice_for(name));
    ScramKeys stand_ins = stand_in_scram_keys(hash, stand_in_key_, name, somebodys.value_or(ScramKeys()));
    if (auto keys = users.keys_of(name, hash)) {
        return {.keys = std::move(*keys)};
    }
    const bool known = users.hash_of(name) != nullptr;
    return {.keys = std::move(stand_ins),
            .missing = known ? "no keys for this mechanism: sekisho user passwd makes them" : "no such user"};
}

// A user who isn't there is checked against the hash of one who is, always the same one for the same name:
// so it takes the time that somebody's check takes, whatever kinds of hashes the file holds.
const std::string& LoginJudge::stand_in(const std::string& name) {
    const std::string* const hash = sources_.users.users().any_hash(choice_for(name));
    return hash != nullptr ? *hash : stand_in_hash_;
}

// Always the same for the same name, and nobody else knows it.
std::uint64_t LoginJudge::choice_for(const std::string& name) const {
    const std::string keyed = stand_in_key_ + name;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    std::uint64_t choice = 0;
    if (EVP_Digest(keyed.data(), keyed.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1) {
        std::memcpy(&choice, digest.data(), sizeof choice);
    }
    return choice;
}

boost::asio::awaitable<Verdict> LoginJudge::judge(Credentials credentials, std::optional<Address> remote) {
    const auto under_way = under_way_;
    const std::optional<Address> client = remote;
    if (remote) {
        remote = subscriber_of(*remote);
    }
    const std::string* const found = sources_.users.users().hash_of(credentials.user);
    const bool known = found != nullptr;
    // Databases take letters for others that aren't ASCII's: that would be one user of many names.
    const bool asks = !known && sources_.others != nullptr &&
                      characters_in(credentials.user) == static_cast<std::ptrdiff_t>(credentials.user.size());
    if (remote &&
        (*under_way)[*remote] >= (asks ? sources_.others->most_of_one_address() : most_of_one_address)) {
        co_return Verdict::unavailable;
    }
    std::string hash = known ? *found : stand_in(credentials.user);
    if (remote) {
        (*under_way)[*remote]++;
    }
    Result<bool> matched = false;
    if (asks) {
        PasswordQuestion question{.user = std::move(credentials.user),
                                  .password = std::move(credentials.password),
                                  .remote = client};
        matched = co_await sources_.others->check(std::move(question));
    } else {
        matched = co_await sources_.checker.check(std::move(credentials.password), std::move(hash));
    }
    if (remote && --(*under_way)[*remote] == 0) {
        under_way->erase(*remote);
    }
    if (!matched) {
        log::warning("LOGIN_NOT_CHECKED", matched.error().what, {{"remedy", matched.error().remedy}});
        co_return Verdict::unavailable;
    }
    if (!known && !asks) {
        co_return Verdict::unknown;
    }
    co_return *matched ? Verdict::right : Verdict::wrong;
}

boost::asio::awaitable<TokenVerdict> LoginJudge::judge_token(TokenGiven given,
                                                             std::optional<Address> remote) {
    const auto under_way = under_way_;
    if (remote) {
        remote = subscriber_of(*remote);
        if ((*under_way)[*remote] >= most_of_one_address) {
            co_return TokenVerdict{.why = "too many logins at once"};
        }
        (*under_way)[*remote]++;
    }
    const auto found = co_await sources_.tokens->user_of(std::move(given.token));
    if (remote && --(*under_way)[*remote] == 0) {
        under_way->erase(*remote);
    }
    if (!found) {
        log::warning("LOGIN_NOT_CHECKED", found.error().what, {{"remedy", found.error().remedy}});
        co_return TokenVerdict{.user = given.user, .why = found.error().what};
    }
    const std::optional<std::string>& user = *found;
    if (!user) {
        co_return TokenVerdict{.verdict = Verdict::wrong, .user = given.user, .why = "a token of nobody"};
    }
    const bool claimed = given.user.empty() || given.user == *user;
    co_return TokenVerdict{.verdict = claimed ? Verdict::right : Verdict::wrong,
                           .user = claimed ? *user : given.user,
                           .why = claimed ? "" : "a token of somebody else"};
}

std::chrono::milliseconds LoginJudge::delay_after_failure(const std::optional<Address>& remote,
                                                          std::string_view user) {
    return delays_.failed(remote, user, std::chrono::steady_clock::now());
}

}  // namespace sekisho::sasl
