// SPDX-License-Identifier: Apache-2.0
// Fills the kernel's trie of foreign dynamic addresses, and asks it.
#include "agent/dataplane/foreign_dynamic.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "agent/dataplane/state.h"
#include "agent/dataplane/upkeep.h"

namespace sekisho::dataplane {

namespace {

constexpr std::uint32_t only = 0;          // the outer map's one element
constexpr std::uint32_t before_ipv4 = 96;  // bits of ::ffff:0:0/96

sekisho_foreign_key trie_key(const Address& address, int length) {
    const bool ipv4 = address.family == Family::ipv4;
    const sekisho_key bytes = kernel_key({.address = address, .length = length});
    sekisho_foreign_key key{};
    key.bits = static_cast<std::uint32_t>(length) + (ipv4 ? before_ipv4 : 0);
    std::ranges::copy(bytes.bytes, std::begin(key.address));
    return key;
}

Result<Descriptor> make_trie(const std::vector<Prefix>& prefixes) {
    bpf_map_create_opts options{};
    options.sz = sizeof(options);
    options.map_flags = BPF_F_NO_PREALLOC;
    auto size = static_cast<std::uint32_t>(prefixes.size());
    Descriptor trie(bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "foreign", sizeof(sekisho_foreign_key),
                                   sizeof(std::uint8_t), size, &options));
    std::vector<sekisho_foreign_key> keys;
    keys.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes) {
        keys.push_back(trie_key(prefix.address, prefix.length));
    }
    const std::vector<std::uint8_t> values(prefixes.size(), 1);
    if (!trie || bpf_map_update_batch(trie.get(), keys.data(), values.data(), &size, nullptr) != 0) {
        return fail(Failure::unavailable,
                    "the kernel has no room for " + std::to_string(prefixes.size()) +
                        " foreign dynamic prefixes: " + error_text(errno),
                    errno == ENOMEM ? "free memory, or join neighbouring prefixes" : "");
    }
    return trie;
}

}  // namespace

Result<void> Dataplane::set_foreign_dynamic(const std::vector<Prefix>& prefixes) {
    const int outer = state_->kernel.foreign();
    if (prefixes.empty()) {
        if (bpf_map_delete_elem(outer, &only) != 0 && errno != ENOENT) {
            return fail(Failure::unavailable,
                        "can't take out the foreign dynamic prefixes: " + error_text(errno));
        }
        return {};
    }
    const auto trie = make_trie(prefixes);
    if (!trie) {
        return std::unexpected(trie.error());
    }
    if (const int map = trie->get(); bpf_map_update_elem(outer, &only, &map, BPF_ANY) != 0) {
        return fail(Failure::unavailable,
                    "can't put the foreign dynamic prefixes in force: " + error_text(errno));
    }
    return {};
}

Result<bool> is_foreign_dynamic(int ask_foreign, const Address& address) {
    sekisho_foreign_question question{};
    question.key = trie_key(address, address.bits());
    if (const int error = run(ask_foreign, question); error != 0) {
        return fail(Failure::unavailable, "can't read the foreign dynamic prefixes: " + error_text(error));
    }
    return question.found != 0;
}

}  // namespace sekisho::dataplane
