// SPDX-License-Identifier: Apache-2.0
// A certificate for the first days: it encrypts, and vouches for nothing.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "agent/base/result.h"

namespace sekisho::cli {

// Apple's mail programs take no server's certificate that is good for longer (HT210176), one that their owner
// has called good neither.
inline constexpr std::chrono::days certificate_life{825};

struct SelfSigned {
    std::string certificate;  // PEM
    std::string key;          // PEM; wipe() it
};

// For a server of this name, good from a day before `now` on, for a clock may be wrong, for certificate_life:
// ECDSA with P-256. Failure::unavailable if OpenSSL can't.
[[nodiscard]] Result<SelfSigned> self_signed(const std::string& name,
                                             std::chrono::system_clock::time_point now);

// Makes one and writes both files: the certificate for everybody to read, the key for root and, where there
// is such a group, for `readers`. Neither may be there yet.
[[nodiscard]] Result<void> write_self_signed(const std::string& name,
                                             const std::filesystem::path& certificate,
                                             const std::filesystem::path& key, const std::string& readers);

}  // namespace sekisho::cli
