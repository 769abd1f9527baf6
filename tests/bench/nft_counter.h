// SPDX-License-Identifier: Apache-2.0
// Reads a named counter of nftables. The command `nft` would first read all elements of all sets.
#pragma once

#include <cstdint>
#include <string>

namespace sekisho::bench {

// The packets counted by `counter NAME` of `table netdev TABLE` in this thread's network namespace; the
// process ends if there is none.
[[nodiscard]] std::uint64_t nft_packets(const std::string& table, const std::string& name);

}  // namespace sekisho::bench
