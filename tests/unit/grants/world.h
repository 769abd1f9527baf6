// SPDX-License-Identifier: Apache-2.0
// What stands around the heart in its tests: pools, a clock, and a kernel and a store that do as they are
// told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "agent/grants/grants.h"

namespace sekisho::grants {

using namespace std::chrono_literals;

inline Address address(std::string_view text) {
    return parse_address(text).value();
}

inline Prefix prefix(std::string_view text) {
    return parse_prefix(text).value();
}

// dsl: a key is an IPv4 address or a /56; fibre: a /64; cgn: shared.
inline Config example_config() {
    Config config;
    config.pools = {
        {.name = "dsl",
         .prefixes = {prefix("192.0.2.0/24"), prefix("2001:db8:100::/40")},
         .key_length_ipv6 = 56},
        {.name = "fibre", .prefixes = {prefix("203.0.113.0/25"), prefix("2001:db8:200::/48")}},
        {.name = "cgn", .prefixes = {prefix("198.51.100.0/25"), prefix("2001:db8:300::/48")}, .shared = true},
    };
    return config;
}

// Some hour of some boot.
inline Now example_now() {
    return {.boottime = 1000s, .wall = WallTime(1'700'000'000s), .boot = "first"};
}

inline Now later(Now now, std::chrono::nanoseconds by) {
    now.boottime += by;
    now.wall += by;
    return now;
}

// The next boot, 30 s after its start, when the wall clock has gone on `by`.
inline Now rebooted(const Now& now, std::chrono::nanoseconds by, std::string boot = "second") {
    return {.boottime = 30s, .wall = now.wall + by, .boot = std::move(boot)};
}

inline GrantRequest request(const Address& of, std::optional<std::chrono::seconds> lifetime = {}) {
    return {.address = of,
            .lifetime = lifetime,
            .budget = {},
            .source = "mail1",
            .user = "alice",
            .reason = "pop3 login"};
}

inline GrantRequest request(std::string_view of, std::optional<std::chrono::seconds> lifetime = {}) {
    return request(address(of), lifetime);
}

inline Exemption contract(const Prefix& prefix) {
    return {.prefix = prefix, .note = "contract", .since = example_now().wall};
}

inline Exemption contract(std::string_view text) {
    return contract(prefix(text));
}

// Carries actions out as a faultless kernel and disk would.
struct Outside {
    std::map<Prefix, KernelEntry> kernel;
    std::vector<Prefix> wide;
    std::map<Prefix, Grant> grants;
    std::map<Prefix, Exemption> exemptions;
    std::map<Prefix, CoolDown> cool_downs;
    std::map<Prefix, Quarantine> quarantines;
    std::optional<Now> seen;

    void apply(const Actions& actions) {
        for (const Action& action : actions) {
            std::visit([this](const auto& one) { carry_out(one); }, action);
        }
    }

    // An agent starts, and does what it finds necessary. All that it did.
    Actions take_over_by(Grants& starting, const Now& now, bool store_lost = false) {
        const KernelEntries entries(values(kernel));
        const Stored stored{.exemptions = values(exemptions),
                            .cool_downs = values(cool_downs),
                            .quarantines = values(quarantines),
                            .seen = store_lost ? std::nullopt : seen,
                            .lost = store_lost};
        const auto each_grant = [this](const std::function<void(const Grant&)>& take) -> Result<void> {
            for (const auto& [key, grant] : std::map(grants)) {
                take(grant);
            }
            return {};
        };
        const Actions on_disk = starting.take_over(stored, each_grant, entries, now).value();
        Actions all;
        starting.reconcile(entries, [&all](const Action& action) { all.push_back(action); });
        std::ranges::copy(on_disk, std::back_inserter(all));
        apply(all);
        return all;
    }

private:
    template <class T>
    static std::vector<T> values(const std::map<Prefix, T>& map) {
        std::vector<T> all;
        all.reserve(map.size());
        for (const auto& [key, value] : map) {
            all.push_back(value);
        }
        return all;
    }

    void carry_out(const PutEntry& action) { kernel[action.entry.key] = action.entry; }
    void carry_out(const RetireEntry& action) {
        EXPECT_EQ(kernel.erase(action.key), 1U) << action.key.text() << " was not there";
    }
    // Connections of an entry that was retired before may go on.
    void carry_out(const RemoveEntry& action) { kernel.erase(action.key); }
    void carry_out(const SetWideExemptions& action) { wide = action.prefixes; }
    void carry_out(const SaveGrant& action) {
        const auto [place, is_new] = grants.try_emplace(action.grant->key, *action.grant);
        EXPECT_TRUE(is_new || place->second.generation == action.grant->generation)
            << action.grant->key.text() << ": the grant before was not forgotten";
        place->second = *action.grant;
    }
    void carry_out(const ForgetGrant& action) {
        const auto place = grants.find(action.key);
        const bool there = place != grants.end() && place->second.generation == action.generation;
        EXPECT_TRUE(there) << action.key.text() << " has no grant of this generation";
        if (there) {
            grants.erase(place);
        }
    }
    void carry_out(const SaveCoolDown& action) { cool_downs[action.cool_down.key] = action.cool_down; }
    void carry_out(const ForgetCoolDown& action) { cool_downs.erase(action.key); }
    void carry_out(const SaveQuarantine& action) { quarantines[action.quarantine.key] = action.quarantine; }
    void carry_out(const ForgetQuarantine& action) { quarantines.erase(action.key); }
    void carry_out(const SaveExemption& action) { exemptions[action.exemption.prefix] = action.exemption; }
    void carry_out(const ForgetExemption& action) { exemptions.erase(action.prefix); }
};

// Opens, and says what is to be done. `granted` is set to the grant as it stands afterwards.
inline Result<Actions> open_in(Grants& grants, const GrantRequest& request, const Now& now, Grant& granted) {
    Actions actions;
    const auto opened = grants.open(request, now, actions);
    if (!opened) {
        EXPECT_TRUE(actions.empty());
        return std::unexpected(opened.error());
    }
    granted = **opened;
    return actions;
}

// How many of the actions are of this type.
template <class T>
std::size_t count(const Actions& actions) {
    std::size_t found = 0;
    for (const Action& action : actions) {
        found += std::holds_alternative<T>(action) ? 1U : 0U;
    }
    return found;
}

}  // namespace sekisho::grants
