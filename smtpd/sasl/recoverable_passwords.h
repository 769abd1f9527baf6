// SPDX-License-Identifier: Apache-2.0
// Passwords that can be had again, for the mechanisms that need them (CRAM-MD5, DIGEST-MD5, APOP): in a file
// of their own, encrypted, only of users whom the operator has switched to it.
//
// A line is name:{AES-256-GCM}BASE64 of nonce, ciphertext and tag. What was encrypted belongs to the name and
// to the hash that stands in the user file: behind another hash, or another name, it is no password.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "smtpd/sasl/kept_file.h"
#include "smtpd/sasl/secret_text.h"
#include "smtpd/sasl/user_list.h"

namespace sekisho::sasl {

class RecoverablePasswords {
public:
    // Files that aren't there are empty. Failure::unavailable if one can't be read, Failure::invalid for a
    // key that is none.
    [[nodiscard]] static Result<RecoverablePasswords> open(std::filesystem::path file,
                                                           std::filesystem::path key);

    // Whether there are none.
    [[nodiscard]] bool empty();
    // Another number each time that they, or their key, were read or changed.
    [[nodiscard]] std::uint64_t version() const { return version_; }
    // Whether the password of a user whose hash is this is kept.
    [[nodiscard]] bool has(const std::string& name, std::string_view hash);
    // Whether it is so for all users.
    [[nodiscard]] bool covers(const UserList& users);
    // The password of a user whose hash is this; nothing if it isn't known.
    [[nodiscard]] std::optional<SecretText> of(const std::string& name, std::string_view hash);
    // Keeps one beside what was kept of this user before, who must be one (UserList). The key is made where
    // there is none. Failure::unavailable without randomness or room on the disk, or where the file or the
    // key can't be read any more: nothing has changed then.
    [[nodiscard]] Result<void> keep(const std::string& name, std::string_view hash,
                                    const SecretText& password);
    // The user's hash is this now, or there is no such user ("" then): forgets what doesn't belong to it.
    [[nodiscard]] Result<void> settle(const std::string& name, std::string_view hash);

private:
    using Records = std::multimap<std::string, std::string>;  // by name: octets

    RecoverablePasswords(std::filesystem::path file, std::filesystem::path key)
        : file_(std::move(file)), key_file_(std::move(key)) {}
    [[nodiscard]] Result<void> refresh();
    [[nodiscard]] std::optional<SecretText> find(const std::string& name, std::string_view hash) const;
    [[nodiscard]] Result<void> read();
    [[nodiscard]] Result<void> read_key();
    [[nodiscard]] Result<void> make_key();
    [[nodiscard]] Result<void> write(Records records);

    KeptFile file_;
    KeptFile key_file_;
    std::optional<KeptFile::Seen> seen_;
    std::optional<KeptFile::Seen> unreadable_;  // the file as it was when it could not be read
    Records records_;
    std::vector<std::string> other_lines_;  // that are none, and stay
    SecretText key_;                        // empty: there is none yet
    std::uint64_t version_ = 1;
};

}  // namespace sekisho::sasl
