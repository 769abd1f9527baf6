// SPDX-License-Identifier: Apache-2.0
// The example policy's table as the agent builds it.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "agent/base/config.h"
#include "agent/dataplane/table.h"
#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

template <class T>
T required(Result<T> result) {
    if (!result) {
        std::cerr << result.error().what << '\n';
        std::abort();
    }
    return std::move(*result);
}

Action action_of(sekisho_verdict verdict) {
    return verdict == SEKISHO_MONITOR    ? Action::monitor
           : verdict == SEKISHO_DROP     ? Action::drop
           : verdict == SEKISHO_PROHIBIT ? Action::prohibit
                                         : Action::reset;
}

Config config_of(const Policy& policy) {
    Config config;
    config.dataplane.answers_per_second = 1'000'000;
    for (const auto& pool : policy.pools) {
        if (pool.exempt) {
            continue;
        }
        config.pools.push_back({.name = pool.prefix,
                                .prefixes = {required(parse_prefix(pool.prefix))},
                                .key_length_ipv6 = pool.key_bits,
                                .action = action_of(pool.action),
                                .closed = pool.closed,
                                .shared = false});
    }
    for (const auto& server : policy.designated) {
        config.designated.push_back({.name = server, .prefixes = {required(parse_prefix(server))}});
    }
    config.foreign_dynamic.emplace();
    config.foreign_dynamic->action = Action::drop;
    for (const auto& server : policy.own) {
        config.foreign_dynamic->servers.push_back(required(parse_prefix(server)));
    }
    return config;
}

std::function<std::optional<std::uint32_t>(std::string_view)> fill(sekisho_table& table) {
    const auto& policy = example_policy();
    std::vector<Prefix> wide;
    for (const auto& pool : policy.pools) {
        if (pool.exempt) {
            wide.push_back(required(parse_prefix(pool.prefix)));
        }
    }
    const auto built =
        std::make_shared<dataplane::Table>(required(dataplane::Table::build(config_of(policy), wide)));
    table = built->data();
    return [built](std::string_view text) {
        const auto address = required(parse_address(text));
        const int length = built->source(address).key_bits;
        return built->bit_of({address.masked(length), length});
    };
}

}  // namespace

const Filler& by_agent() {
    static const Filler filler{"Agent", fill};
    return filler;
}

}  // namespace sekisho::bpftest
