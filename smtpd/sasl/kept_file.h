// SPDX-License-Identifier: Apache-2.0
// A file of secrets on the disk: always whole, and its owner's alone.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"

namespace sekisho::sasl {

class KeptFile {
public:
    // Which file there is, and as of when.
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

    explicit KeptFile(std::filesystem::path path) : path_(std::move(path)) {}

    [[nodiscard]] Seen look() const;
    // All of it; one that isn't there is empty. One that others may use is said in the log.
    // Failure::unavailable if it can't be read, Failure::invalid if it is no regular file or over 256 MiB.
    [[nodiscard]] Result<std::string> read() const;
    // Writes a new file of mode 0600 in the same directory, which then takes the place of the old one. If the
    // disk fails, nothing has changed.
    [[nodiscard]] Result<void> replace(std::string_view text) const;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace sekisho::sasl
