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

Result<LoginJudge> LoginJudge::make(UserFile& users, PasswordChecker& checker, CheckProgram* program,
                                    std::string secret) {
    auto scram = Scram::make();
    if (!scram) {
        return std::unexpected(scram.error());
    }
    LoginJudge judge(users, checker, program, std::move(*scram), std::move(secret));
    // As crypt() would read it: up to a NUL.
    const std::string_view key = judge.stand_in_key_;
    auto hash = hash_password(SecretText(key.substr(0, key.find('\0'))));
    if (!hash) {
        return std::unexpected(hash.error());
    }
    judge.stand_in_hash_ = std::move(*hash);
    return judge;
}

// With the flags that Dovecot has for them.
std::vector<Offer> LoginJudge::offers() {
    const UserList& users = users_->users();
    std::vector<Offer> offers;
    for (const ScramHash hash : scram_hashes) {
        if (program_ == nullptr && users.all_have_keys(hash)) {
            offers.push_back({.mechanism = std::string(mechanism_of(hash)), .properties = {"mutual-auth"}});
        }
    }
    for (const std::string_view name : plaintext_mechanisms) {
        offers.push_back({.mechanism = std::string(name), .properties = {"plaintext"}});
    }
    return offers;
}

std::optional<Exchange> LoginJudge::begin(std::string_view mechanism) {
    const auto* const hash = std::ranges::find(scram_hashes, mechanism, mechanism_of);
    if (hash == scram_hashes.end()) {
        return Mechanism::named(mechanism);
    }
    auto exchange = scram_.begin(
        *hash, [this](ScramHash wanted, const std::string& name) { return keys_of(wanted, name); });
    if (!exchange) {
        log::warning("LOGIN_NOT_CHECKED", exchange.error().what);
        return std::nullopt;
    }
    return std::move(*exchange);
}

// The stand-ins are made for those who are known, too: it costs the same.
ScramUser LoginJudge::keys_of(ScramHash hash, const std::string& name) {
    const UserList& users = users_->users();
    ScramKeys stand_ins = stand_in_scram_keys(hash, stand_in_key_, name);
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
    const std::string keyed = stand_in_key_ + name;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    std::uint64_t choice = 0;
    if (EVP_Digest(keyed.data(), keyed.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1) {
        std::memcpy(&choice, digest.data(), sizeof choice);
    }
    const std::string* const hash = users_->users().any_hash(choice);
    return hash != nullptr ? *hash : stand_in_hash_;
}

boost::asio::awaitable<Verdict> LoginJudge::judge(Credentials credentials, std::optional<Address> remote) {
    const auto under_way = under_way_;
    if (remote) {
        remote = subscriber_of(*remote);
    }
    const std::string* const found = users_->users().hash_of(credentials.user);
    const bool known = found != nullptr;
    // Databases take letters for others that aren't ASCII's: that would be one user of many names.
    const bool asks = !known && program_ != nullptr &&
                      characters_in(credentials.user) == static_cast<std::ptrdiff_t>(credentials.user.size());
    if (remote && (*under_way)[*remote] >= (asks ? program_->processes() : most_of_one_address)) {
        co_return Verdict::unavailable;
    }
    std::string hash = known ? *found : stand_in(credentials.user);
    if (remote) {
        (*under_way)[*remote]++;
    }
    Result<bool> matched = false;
    if (asks) {
        matched = co_await program_->check(std::move(credentials.user), std::move(credentials.password));
    } else {
        matched = co_await checker_->check(std::move(credentials.password), std::move(hash));
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

std::chrono::milliseconds LoginJudge::delay_after_failure(const std::optional<Address>& remote) {
    return delays_.failed(remote, std::chrono::steady_clock::now());
}

}  // namespace sekisho::sasl
