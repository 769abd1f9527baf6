// SPDX-License-Identifier: Apache-2.0
// A network is halved until the list says the same of all its addresses.
#include "smtpd/sasl/login_networks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "agent/base/pattern.h"
#include "agent/base/user_name.h"

namespace sekisho::sasl {

namespace {

using Entries = std::vector<const AccessConfig*>;

constexpr std::array<std::string_view, 2> mailbox_protocols = {"pop3", "imap"};

enum class Reach : std::uint8_t { all, none, some };

// Which addresses of a block may log in by a protocol: the first entry that fits decides.
Reach reach_by(const Entries& entries, std::string_view protocol, const Prefix& block) {
    for (const AccessConfig* const entry : entries) {
        const auto& protocols = entry->protocols;
        if (!protocols.empty() && std::ranges::find(protocols, protocol) == protocols.end()) {
            continue;
        }
        const auto covers = [&block](const Prefix& client) { return client.contains(block); };
        const auto touches = [&block](const Prefix& client) { return client.overlaps(block); };
        if (entry->clients.empty() || std::ranges::any_of(entry->clients, covers)) {
            return entry->action == AccessAction::deny ? Reach::none : Reach::all;
        }
        if (std::ranges::any_of(entry->clients, touches)) {
            return Reach::some;
        }
    }
    return Reach::all;
}

Reach reach_of(const Entries& entries, const Prefix& block) {
    Reach reach = Reach::none;
    for (const std::string_view protocol : mailbox_protocols) {
        const Reach by = reach_by(entries, protocol, block);
        if (by == Reach::all) {
            return Reach::all;
        }
        reach = by == Reach::some ? Reach::some : reach;
    }
    return reach;
}

std::array<Prefix, 2> halves_of(const Prefix& block) {
    Prefix lower{.address = block.address, .length = block.length + 1};
    Prefix upper = lower;
    const auto bit = static_cast<std::size_t>(block.length);
    upper.address.bytes.at(bit / 8) |= static_cast<std::uint8_t>(0x80U >> (bit % 8));
    return {lower, upper};
}

// Whether all of the block may log in, and nothing was added for it; else what may of it was added.
bool add_networks(const Entries& entries, const Prefix& block, std::vector<Prefix>& networks) {
    const Reach reach = reach_of(entries, block);
    if (reach != Reach::some) {
        return reach == Reach::all;
    }
    // A single address is never reached in part.
    const auto [lower, upper] = halves_of(block);
    const bool all_lower = add_networks(entries, lower, networks);
    const bool all_upper = add_networks(entries, upper, networks);
    if (all_lower && all_upper) {
        return true;
    }
    if (all_lower || all_upper) {
        networks.push_back(all_lower ? lower : upper);
    }
    return false;
}

std::optional<std::vector<Prefix>> networks_by(const Entries& entries) {
    std::vector<Prefix> networks;
    bool everywhere = true;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        const Prefix block{.address = {.family = family, .bytes = {}}, .length = 0};
        if (add_networks(entries, block, networks)) {
            networks.push_back(block);
        } else {
            everywhere = false;
        }
    }
    if (everywhere) {
        return std::nullopt;
    }
    std::ranges::sort(networks);
    return networks;
}

}  // namespace

LoginNetworks::LoginNetworks(std::vector<AccessConfig> access) : access_(std::move(access)) {
    // Of one priority the one that stood first comes first.
    std::ranges::stable_sort(access_, {}, &AccessConfig::priority);
    for (AccessConfig& entry : access_) {
        std::ranges::transform(entry.users, entry.users.begin(), folded);
        std::ranges::transform(entry.protocols, entry.protocols.begin(), folded);
    }
}

const std::optional<std::vector<Prefix>>& LoginNetworks::of(const std::string& user) {
    const std::string name = folded(user);
    std::vector<bool> which;
    which.reserve(access_.size());
    Entries entries;
    for (const AccessConfig& entry : access_) {
        which.push_back(entry.users.empty() || fits_any(entry.users, name));
        if (which.back()) {
            entries.push_back(&entry);
        }
    }
    const auto known = known_.find(which);
    return known != known_.end() ? known->second
                                 : known_.emplace(std::move(which), networks_by(entries)).first->second;
}

}  // namespace sekisho::sasl
