// SPDX-License-Identifier: Apache-2.0
// The user file on the disk: read when it changes, written so that it is always whole.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>

#include "agent/base/result.h"
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

    // Applies a change to the users and writes them: to a new file of mode 0600 in the same directory, which
    // then takes the place of the old one. If `apply` or the disk fails, nothing has changed.
    [[nodiscard]] Result<void> change(const std::function<Result<void>(UserList&)>& apply);

private:
    // Which file was read, and as of when.
    struct Seen {
        bool there = false;
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::time_t seconds = 0;
        long nanoseconds = 0;
        mode_t mode = 0;
        bool operator==(const Seen&) const = default;
    };

    explicit UserFile(std::filesystem::path path) : path_(std::move(path)) {}
    [[nodiscard]] Seen look() const;
    [[nodiscard]] Result<UserList> read() const;
    void report() const;

    std::filesystem::path path_;
    UserList users_;
    std::optional<Seen> seen_;
};

}  // namespace sekisho::sasl
