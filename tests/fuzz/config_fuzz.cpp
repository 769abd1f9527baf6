// SPDX-License-Identifier: Apache-2.0
// The configuration: whatever is written there, the answer is one that holds together or a complaint with its
// line.
#include <algorithm>
#include <string_view>

#include "agent/base/config.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

namespace {

void check_reporters(const sekisho::ReportersConfig& section, const sekisho::GrantConfig& grants) {
    require(!section.name.empty() && !section.reporters.empty(), "a listener has a name and reporters");
    require(!section.lifetime || (section.lifetime->count() > 0 && *section.lifetime <= grants.longest),
            "a reporter's grant is one that may be given");
}

void check(const sekisho::Config& config) {
    require(!config.dataplane.ports.empty() && config.dataplane.ports.size() <= 8, "1 to 8 ports");
    require(config.grants.lifetime.count() > 0 && config.grants.lifetime <= config.grants.longest,
            "a login's grant is one that may be given");
    for (const auto& pool : config.pools) {
        require(pool.key_length_ipv6 >= 48 && pool.key_length_ipv6 <= 128, "a key of 48 to 128 bits");
        for (const auto& prefix : pool.prefixes) {
            const bool four = prefix.address.family == sekisho::Family::ipv4;
            require(four || prefix.length <= pool.key_length_ipv6, "no key is wider than its pool");
            for (const auto& other : config.pools) {
                const bool overlaps = std::ranges::any_of(
                    other.prefixes, [&prefix](const auto& theirs) { return theirs.overlaps(prefix); });
                require(&other == &pool || !overlaps, "pools are disjoint");
            }
        }
    }
    for (const auto& dovecot : config.dovecot) {
        check_reporters(dovecot, config.grants);
        require(!dovecot.proof || (!dovecot.proof->first.empty() && !dovecot.proof->second.empty()),
                "a proof proves something");
    }
    for (const auto& stalwart : config.stalwart) {
        check_reporters(stalwart, config.grants);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const auto config = sekisho::parse_config({reinterpret_cast<const char*>(data), size}, "sekisho.toml");
    if (config) {
        check(*config);
        return 0;
    }
    require(!config.error().empty(), "a refusal has complaints");
    int line = 0;
    for (const auto& error : config.error()) {
        require(!error.what.empty(), "a complaint has words");
        require(error.line >= line, "complaints are in the order of their lines");
        line = error.line;
    }
    require(!sekisho::text("sekisho.toml", config.error()).empty(), "complaints can be shown");
    return 0;
}
