// SPDX-License-Identifier: Apache-2.0
// The users as Dovecot judges them: lines of its passwd-files, one file for each kind of secret, because a
// password database of Dovecot's has one secret for a user, which not every mechanism can use. Pure.
//
// A line is name:{SCHEME}secret::::::extra. A user without such a secret isn't in the file, and unknown to
// the mechanisms that it is for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "smtpd/sasl/login_networks.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/user_list.h"

namespace sekisho::sasl {

struct DovecotUsers {
    std::string hashes;         // {CRYPT}: all of them, for PLAIN and LOGIN, and to look a mailbox up
    std::string scram_sha_256;  // {SCRAM-SHA-256}
    std::string scram_sha_1;    // {SCRAM-SHA-1}
    std::string recoverable;    // {PLAIN.b64}, for APOP, CRAM-MD5 and DIGEST-MD5; wiped when it goes
    std::size_t users = 0;
    std::size_t left_out = 0;  // whose names are none for Dovecot

    DovecotUsers() = default;
    DovecotUsers(const DovecotUsers&) = delete;
    DovecotUsers& operator=(const DovecotUsers&) = delete;
    DovecotUsers(DovecotUsers&&) = default;
    DovecotUsers& operator=(DovecotUsers&&) = delete;
    ~DovecotUsers() { wipe(recoverable); }
};

// Whether Dovecot takes the name, and it can be that of a directory: letters and digits of ASCII, and .-_@,
// but no dot in front.
[[nodiscard]] bool is_dovecot_name(std::string_view name);

// What `networks` says of a user stands in each of the user's lines, as allow_nets.
[[nodiscard]] DovecotUsers dovecot_users(const UserList& users, RecoverablePasswords& recoverable,
                                         LoginNetworks& networks);

}  // namespace sekisho::sasl
