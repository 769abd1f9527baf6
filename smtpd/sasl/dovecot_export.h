// SPDX-License-Identifier: Apache-2.0
// Dovecot's files of our users, kept as the users are: written when they change, in a directory of a tmpfs
// that Dovecot's group may read. Recoverable passwords stand there as they are, and so on no disk.
//
// Nothing here ever stops a login at the submission server: what can't be written is said in the log, and
// tried again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/config_access.h"
#include "agent/base/result.h"
#include "smtpd/sasl/dovecot_users.h"
#include "smtpd/sasl/kept_file.h"
#include "smtpd/sasl/login_networks.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/user_file.h"

namespace sekisho::sasl {

class DovecotExport {
public:
    // The directory must be there: ours, with the set-group-ID bit and closed to others, so that what is
    // written there is its group's. `users` and `recoverable` must outlive the object.
    DovecotExport(std::filesystem::path directory, std::vector<AccessConfig> access, UserFile& users,
                  RecoverablePasswords& recoverable);

    // Writes the files if the users have changed since they were written, on the disk, too, or if they don't
    // stand there any more.
    void follow();
    // Whether they are as the users are, as far as the last follow() knows.
    [[nodiscard]] bool current() const { return complaint_.empty(); }

private:
    // Of the users and of the recoverable passwords: which ones these are.
    struct Version {
        std::uint64_t users = 0;
        std::uint64_t recoverable = 0;
        bool operator==(const Version&) const = default;
    };
    // What was written.
    struct Counts {
        std::size_t users = 0;
        std::size_t left_out = 0;
    };

    [[nodiscard]] Result<Counts> write(const UserList& users);
    // Whether what was written is there still.
    [[nodiscard]] bool stands() const;

    std::filesystem::path directory_;
    LoginNetworks networks_;
    UserFile& users_;
    RecoverablePasswords& recoverable_;
    Version written_;
    std::vector<KeptFile::Seen> seen_;  // the files, when they were written
    std::string complaint_ = "nothing was written yet";
};

}  // namespace sekisho::sasl
