// SPDX-License-Identifier: Apache-2.0
// Three tables and what follows from them.
#include "agent/logins/failed_tries.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/user_name.h"
#include "agent/logins/access_list.h"

namespace sekisho::logins {

namespace {

constexpr std::array<std::string_view, 3> counted_names = {"address", "network", "user"};
// What one host holds: it can choose among 2^64 addresses.
constexpr int host_length_ipv6 = 64;

std::string host_of(const Address& address) {
    return address.family == Family::ipv4
               ? address.text()
               : Prefix{.address = address.masked(host_length_ipv6), .length = host_length_ipv6}.text();
}

// Each of a user's names once.
std::vector<std::string> names_of(std::string_view user, FailedTries::Also also) {
    std::vector<std::string> names;
    const auto add = [&names](std::string_view each) {
        std::string name = folded(each);
        if (!name.empty() && std::ranges::find(names, name) == names.end()) {
            names.push_back(std::move(name));
        }
    };
    add(user);
    std::ranges::for_each(also, add);
    return names;
}

}  // namespace

std::string_view to_string(Counted kind) {
    return counted_names.at(static_cast<std::size_t>(kind));
}

FailedTries::FailedTries(const TriesConfig& config, std::size_t most)
    : config_(config),
      addresses_(limits_of(config.per_address, most)),
      networks_(limits_of(config.per_network, most)),
      users_(limits_of(config.per_user, most)) {
    if (config.per_user != 0) {
        homes_.emplace();
    }
}

TryTable::Limits FailedTries::limits_of(std::uint32_t threshold, std::size_t most) const {
    return {.threshold = threshold, .window = config_.window, .lock = config_.lock, .most = most};
}

FailedTries::Keys FailedTries::keys_of(const Address& address) const {
    const int length = address.family == Family::ipv4 ? config_.network_ipv4 : config_.network_ipv6;
    return {.address = host_of(address),
            .network = Prefix{.address = address.masked(length), .length = length}.text()};
}

bool FailedTries::is_exempt(const Address& address) const {
    return std::ranges::any_of(config_.never,
                               [&address](const Prefix& prefix) { return prefix.contains(address); });
}

bool FailedTries::counts(const Address& address, const Keys& keys, Moment now) {
    return !is_exempt(address) && addresses_.locked(keys.address, now) == nullptr &&
           networks_.locked(keys.network, now) == nullptr;
}

std::vector<Lockout> FailedTries::failed(const Address& address, std::string_view user, Moment now,
                                         Also also) {
    const Keys keys = keys_of(address);
    if (!counts(address, keys, now)) {
        return {};
    }
    std::vector<Lockout> begun;
    const auto count = [&](Counted kind, TryTable& table, const std::string& who, std::string_view by) {
        if (auto lock = table.add(who, by, now)) {
            begun.push_back({.kind = kind, .lock = std::move(*lock)});
        }
    };
    count(Counted::address, addresses_, keys.address, folded(user));
    count(Counted::network, networks_, keys.network, {});
    for (const std::string& name : names_of(user, also)) {
        count(Counted::user, users_, name, {});
    }
    return begun;
}

std::vector<Lockout> FailedTries::failed_as(const Address& address, Also names, Moment now) {
    std::vector<Lockout> begun;
    if (!counts(address, keys_of(address), now)) {
        return begun;
    }
    for (const std::string& name : names_of({}, names)) {
        if (auto lock = users_.add(name, {}, now)) {
            begun.push_back({.kind = Counted::user, .lock = std::move(*lock)});
        }
    }
    return begun;
}

void FailedTries::succeeded(const Address& address, std::string_view user, Moment now, Also also) {
    if (is_exempt(address)) {
        return;
    }
    const Keys keys = keys_of(address);
    for (const std::string& name : names_of(user, also)) {
        addresses_.forgive(keys.address, name, now);
    }
    if (const std::string name = folded(user); homes_ && !name.empty()) {
        homes_->remember(name, keys.network, now);
    }
}

std::optional<Lockout> FailedTries::lockout_of(const Keys& keys, const std::vector<std::string>& names,
                                               Moment now) {
    const auto held = [](Counted kind, TryTable::Lock& lock) {
        lock.held++;
        return Lockout{.kind = kind, .lock = lock};
    };
    if (auto* const lock = addresses_.locked(keys.address, now)) {
        return held(Counted::address, *lock);
    }
    if (auto* const lock = networks_.locked(keys.network, now)) {
        return held(Counted::network, *lock);
    }
    const bool at_home = homes_ && std::ranges::any_of(names, [&](const std::string& name) {
                             return homes_->knows(name, keys.network, now);
                         });
    for (const std::string& name : names) {
        if (auto* const lock = users_.locked(name, now); lock != nullptr && !at_home) {
            return held(Counted::user, *lock);
        }
    }
    return std::nullopt;
}

Judgement FailedTries::judge(const Address& address, std::string_view user, Moment now, Also also) {
    if (is_exempt(address)) {
        return {};
    }
    auto lockout = lockout_of(keys_of(address), names_of(user, also), now);
    if (!lockout) {
        return {};
    }
    if (config_.answer == TriesAnswer::tarpit) {
        return {.verdict = Judgement::Verdict::wait, .wait = config_.tarpit, .lockout = std::move(lockout)};
    }
    return {.verdict = Judgement::Verdict::refuse, .wait = {}, .lockout = std::move(lockout)};
}

bool FailedTries::has_long_refused(const Address& address, Moment now) {
    constexpr std::chrono::seconds longest_login{10};
    if (config_.answer != TriesAnswer::refuse || is_exempt(address)) {
        return false;
    }
    const Keys keys = keys_of(address);
    const auto* lock = addresses_.locked(keys.address, now);
    if (lock == nullptr) {
        lock = networks_.locked(keys.network, now);
    }
    return lock != nullptr && now - lock->since > longest_login;
}

std::vector<Lockout> FailedTries::lockouts(Moment now) const {
    std::vector<Lockout> list;
    for (const auto& [kind, table] :
         {std::pair(Counted::address, &addresses_), std::pair(Counted::network, &networks_),
          std::pair(Counted::user, &users_)}) {
        for (TryTable::Lock& lock : table->locks(now)) {
            list.push_back({.kind = kind, .lock = std::move(lock)});
        }
    }
    return list;
}

std::size_t FailedTries::locked_count(Counted kind, Moment now) const {
    switch (kind) {
        case Counted::address:
            return addresses_.locked_count(now);
        case Counted::network:
            return networks_.locked_count(now);
        case Counted::user:
            return users_.locked_count(now);
    }
    std::unreachable();
}

Result<void> FailedTries::remove(const std::string& who, Moment now) {
    const auto prefix = parse_prefix(who);
    bool removed = false;
    if (prefix) {
        const bool one_host = prefix->length == prefix->address.bits() ||
                              (prefix->address.family == Family::ipv6 && prefix->length == host_length_ipv6);
        removed = one_host ? addresses_.remove(host_of(prefix->address), now)
                           : networks_.remove(prefix->text(), now);
    }
    removed = removed || users_.remove(folded(who), now);
    return removed ? Result<void>() : std::unexpected(not_locked(who, now));
}

Error FailedTries::not_locked(const std::string& who, Moment now) {
    Error error{.kind = Failure::not_found,
                .what = printable(who) + " is not locked",
                .remedy = "see `sekisho lockout list`"};
    if (const auto prefix = parse_prefix(who)) {
        const std::string network = keys_of(prefix->address).network;
        if (networks_.locked(network, now) != nullptr) {
            error.remedy = "its network is: sekisho lockout remove " + network;
        }
    }
    return error;
}

}  // namespace sekisho::logins
