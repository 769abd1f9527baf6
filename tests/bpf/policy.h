// SPDX-License-Identifier: Apache-2.0
// The policy that the cases are judged by, and a table filled from it by a way of the tests' own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/sekisho_abi.h"

namespace sekisho::bpftest {

// An address as two numbers, IPv4 in the lower 32 bits; ordered like the addresses.
struct Number {
    bool six = false;
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const Number&) const = default;
};

[[nodiscard]] Number number_of(std::string_view address);

// What a prefix of sources means.
struct Pool {
    std::string prefix;
    sekisho_verdict action;
    int key_bits;
    bool exempt = false;  // an exemption wider than a key, inside a pool
    bool hashed = false;
    bool closed = false;  // to mail from outside
};

struct Policy {
    std::vector<Pool> pools;
    std::vector<std::string> designated;
    std::vector<std::string> own = {};      // servers that are closed to foreign dynamic addresses
    std::vector<std::string> foreign = {};  // those
};

// Pools of each action and family, exact and hashed; see policy.cpp. All from documentation ranges.
[[nodiscard]] const Policy& example_policy();

// The same key that the kernel makes of an address, given the length of the pool's keys.
[[nodiscard]] sekisho_key key_of(std::string_view address, int key_bits);

// A table filled by asking each prefix about each boundary: slow, and unlike what the agent does.
class HandTable {
public:
    explicit HandTable(const Policy& policy);

    [[nodiscard]] sekisho_table& data() { return *data_; }
    [[nodiscard]] const sekisho_table& data() const { return *data_; }
    // The place of the bit of the address's key, or nothing if it lies in no pool.
    [[nodiscard]] std::optional<std::uint32_t> bit_of(std::string_view address) const;

private:
    std::unique_ptr<sekisho_table> data_;
    std::vector<Pool> pools_;
};

// That of the example policy, filled once: it takes a second.
[[nodiscard]] const HandTable& example_table();

}  // namespace sekisho::bpftest
