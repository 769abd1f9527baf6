// SPDX-License-Identifier: Apache-2.0
// Secrets in files, and comparing them.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho {

// The one line of a key file, without its line end. Failure::invalid for a file that others may read or
// write, that is no regular file, is empty, longer than 4 KiB, or has control characters;
// Failure::unavailable if it can't be read.
[[nodiscard]] Result<std::string> read_secret(const std::filesystem::path& path);

// What can tell a stranger's word from a secret. Comparing digests instead of the texts hides the length,
// too.
class SecretDigest {
public:
    explicit SecretDigest(std::string_view secret);

    // Whether the word is the secret, in a time that tells nothing about the secret, not even its length.
    [[nodiscard]] bool is_of(std::string_view word) const;

private:
    std::array<unsigned char, 32> digest_;  // SHA-256
};

// The same of a secret that is asked about once.
[[nodiscard]] bool same_secret(std::string_view secret, std::string_view word);

}  // namespace sekisho
