// SPDX-License-Identifier: Apache-2.0
// The user file on the disk: read when it changes, written so that it is always whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "agent/base/result.h"
#include "smtpd/sasl/kept_file.h"
#include "smtpd/sasl/user_list.h"

namespace sekisho::sasl {

// Bad lines and a file that can't be read any more are said in the log; whom it named before stays known.
class UserFile {
public:
    // A file that isn't there names nobody. Failure::unavailable if it can't be read, Failure::invalid if it
    // is no regular file or over 256 MiB.
    [[nodiscard]] static Result<UserFile> open(std::filesystem::path path);

    // The users as the file names them now: another file or another time of change has it read again.
    [[nodiscard]] const UserList& users();
    // Has it read again at the next users(), whatever its time of change.
    void forget_time() { seen_.reset(); }
    // Another number each time that they were read or changed.
    [[nodiscard]] std::uint64_t version() const { return version_; }

    // Applies a change to the users and writes them: to a new file of mode 0600 in the same directory, which
    // then takes the place of the old one. If `apply` or the disk fails, nothing has changed.
    [[nodiscard]] Result<void> change(const std::function<Result<void>(UserList&)>& apply);

private:
    explicit UserFile(std::filesystem::path path) : file_(std::move(path)) {}
    [[nodiscard]] Result<UserList> read() const;
    void report() const;

    KeptFile file_;
    UserList users_;
    std::optional<KeptFile::Seen> seen_;  // when it was read
    std::uint64_t version_ = 1;
};

}  // namespace sekisho::sasl
